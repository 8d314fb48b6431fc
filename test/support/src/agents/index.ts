export * from './agent-clis.js';
export * from './faulty-model.js';
export * from './scripted-model.js';
