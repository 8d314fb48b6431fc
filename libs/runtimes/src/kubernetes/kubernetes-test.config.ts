/** The cluster that Kubernetes specs run against: none unless KUBECONFIG names it. */
export function testCluster(): { kubeconfigFile: string; image: string } | undefined {
  const kubeconfigFile = process.env['KUBECONFIG'];
  if (kubeconfigFile === undefined || kubeconfigFile === '') return undefined;
  return { kubeconfigFile, image: process.env['CAPSTAN_TEST_AGENT_IMAGE'] ?? 'capstan.local/agent:test' };
}
