/** A pod by the names that people know. */
interface Pod {
  readonly namespace: string;
  readonly pod: string;
}

/**
 * Pods by uid, from the names in /var/log/pods, where the kubelet keeps a folder for the logs of each:
 * "<namespace>_<name>_<uid>". Everybody may list it. Neither a namespace nor a pod may have "_" in its name.
 */
export function parsePods(names: readonly string[]): ReadonlyMap<string, Pod> {
  const found = new Map<string, Pod>();
  for (const name of names) {
    const [, namespace, pod, uid] = /^([a-z0-9.-]{1,63})_([a-z0-9.-]{1,253})_([0-9a-f-]{32,36})$/.exec(name) ?? [];
    if (namespace && pod && uid) found.set(uid, { namespace, pod });
  }
  return found;
}
