export * from './catalog.js';
export * from './define-event.js';
export * from './streams.js';
