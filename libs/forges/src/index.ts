export * from './forge.port.js';
export * from './registry.js';
