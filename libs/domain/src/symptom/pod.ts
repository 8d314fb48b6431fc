import { symptom } from './entry.js';

/** What keeps a repository's pod from being made or from living. */
export const POD_SYMPTOMS = {
  pod_failed: symptom({
    category: 'resource',
    retryable: false,
    title: 'Pod could not be made',
    cause: "The repository's pod failed more often than is tried.",
    remedy: "Look at the pod's problem, cure it, then retry the task.",
  }),
  pod_lost: symptom({
    category: 'resource',
    retryable: true,
    title: 'The pod was lost',
    cause: 'The pod went away under the run.',
    remedy: 'Nothing to do: it is retried; look at the pod’s health when it repeats.',
  }),
  image_missing: symptom({
    category: 'image',
    retryable: false,
    title: "The pod's image is not on the node",
    cause: 'The image may not be pulled (pull policy Never) and the node does not have it.',
    remedy:
      "Build the image and load it into the cluster's nodes, or push it to a registry and allow pulling; then retry the task.",
  }),
  image_name_invalid: symptom({
    category: 'image',
    retryable: false,
    title: "The pod's image has no valid name",
    cause: "The name in the repository's settings is none that a registry could have.",
    remedy: "Correct the image in the repository's settings, then retry the task.",
  }),
  image_pull_failed: symptom({
    category: 'image',
    retryable: false,
    title: "The pod's image can not be pulled",
    cause: 'The registry does not know the image, refuses it, or can not be reached.',
    remedy: "Check the image's name and tag, the pull secret and the way to the registry; then retry the task.",
  }),
  pod_unschedulable: symptom({
    category: 'resource',
    retryable: false,
    title: 'No node has room for the pod',
    cause: 'The cluster has no node with enough free memory, processor or storage, or a volume can not be bound.',
    remedy:
      'Read the detail: free resources, add a node, lower what the pod asks for, or give the cluster a default storage class.',
  }),
  pod_timeout: symptom({
    category: 'timeout',
    retryable: false,
    title: 'The pod was not ready in time',
    cause: 'The pod stayed in its start for longer than CAPSTAN_POD_READY_TIMEOUT_MS.',
    remedy: 'Read the detail; raise the time when the image is large or the network is slow.',
  }),
  pod_out_of_memory: symptom({
    category: 'resource',
    retryable: true,
    title: 'The pod ran out of memory',
    cause: 'The processes of the pod needed more memory than it may have, and the kernel ended one.',
    remedy:
      'Nothing to do: its runs are tried again. When it repeats, give the pod more memory or lower the agents per pod in the repository’s settings.',
  }),
  pod_evicted: symptom({
    category: 'resource',
    retryable: true,
    title: 'The node evicted the pod',
    cause: 'The node ran short of memory or disk and removed the pod.',
    remedy: 'Nothing to do: its runs are tried again. When it repeats, free room on the nodes.',
  }),
  pod_refused: symptom({
    category: 'state',
    retryable: false,
    title: 'The platform refused the pod',
    cause: 'Kubernetes did not accept what it was asked for.',
    remedy: 'Read the detail: a quota, an admission rule or a setting of the repository stands against it.',
  }),
  kubernetes_forbidden: symptom({
    category: 'auth',
    retryable: false,
    title: 'Kubernetes refuses Capstan',
    cause: 'The service account may not do this with pods in the namespace.',
    remedy: "Check the service account's role in the namespace of the pods.",
  }),
  kubernetes_unreachable: symptom({
    category: 'network',
    retryable: true,
    title: 'Kubernetes can not be asked',
    cause: 'The API server does not answer.',
    remedy: 'Nothing is lost: it is asked again. Check the API server and the network policy when it lasts.',
  }),
  isolation_unproven: symptom({
    category: 'state',
    retryable: false,
    title: "The pod's boundary is not proven",
    cause:
      'CAPSTAN_ISOLATION is require, and a probe could not prove that an agent reaches nothing but egress; or what the pod was isolated with is gone.',
    remedy:
      'Read the detail. Install bubblewrap (apt install bubblewrap), allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0), and see that egress runs; then retry the task.',
  }),
  agents_not_isolated: symptom({
    category: 'state',
    retryable: false,
    title: 'Agents are not isolated',
    cause: 'A pod on this machine has no boundary that a probe proved: agents can reach the machine and its network.',
    remedy:
      'Read the reason on the pod: mostly bubblewrap is missing, or user namespaces are switched off. Pods made after the cure are isolated. Until then use throw-away tokens and trusted repositories only.',
  }),
} as const;
