import adapterStatic from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';
import { contractRoutes } from './contract-routes.plugin.ts';

/** Where `npm run dev` finds a gateway: the fake of web/dev, or a real one. */
const gateway = process.env['CAPSTAN_DEV_GATEWAY'] ?? 'http://127.0.0.1:4199';

export default defineConfig({
  plugins: [
    contractRoutes(),
    tailwindcss(),
    sveltekit({
      adapter: adapterStatic({ fallback: 'index.html' }),
      compilerOptions: {
        runes: ({ filename }) => (filename.split(/[/\\]/).includes('node_modules') ? undefined : true),
      },
      csp: {
        mode: 'hash',
        directives: {
          'default-src': ['self'],
          'script-src': ['self'],
          'style-src': ['self'],
          // SvelteKit's announcer of page titles carries a style attribute of its own; style elements stay refused.
          'style-src-attr': ['unsafe-inline'],
          'img-src': ['self', 'data:'],
          'connect-src': ['self'],
          'base-uri': ['none'],
          'form-action': ['self'],
          'object-src': ['none'],
        },
      },
    }),
    svelteTesting(),
  ],
  server: {
    proxy: {
      '/api': gateway,
      '/socket.io': { target: gateway.replace(/^http/, 'ws'), ws: true },
    },
  },
  build: { chunkSizeWarningLimit: 400 },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.spec.ts'],
    // Both ship .svelte files, which only vite can read.
    server: { deps: { inline: ['@lucide/svelte', 'bits-ui'] } },
  },
});
