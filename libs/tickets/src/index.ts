export * from './registry.js';
export * from './ticket.port.js';
