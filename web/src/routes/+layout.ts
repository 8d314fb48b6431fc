/** The dashboard is files and nothing else: the gateway serves them, the browser does the rest. */
export const ssr = false;
