/** Size of a mounted filesystem in bytes, as statfs tells it. */
export interface Space {
  readonly size: number;
  readonly free: number;
  /** What an unprivileged user may still write. */
  readonly available: number;
}

/** One address of one network interface. */
export interface Address {
  readonly nic: string;
  readonly address: string;
  readonly family: 4 | 6;
  readonly loopback: boolean;
}

/** A file that a process has open. */
export interface OpenFile {
  /** Number of its descriptor. */
  readonly fd: string;
  readonly path: string;
}

/** What a PCI function is, by its numbers in lower-case hexadecimal without "0x". */
export interface PciIdentity {
  readonly vendor: string;
  readonly device: string;
  readonly revision: string;
}

/** Devices that Kubernetes has given to one container. */
export interface Grant {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Kind of the devices, "nvidia.com/gpu"; for those of a claim the driver that gave them, "gpu.nvidia.com". */
  readonly resource: string;
  /** As the node's device plugin, or that driver, calls them. */
  readonly devices: readonly string[];
}

/**
 * The one door to what a machine says of itself. Three kinds: this machine ("/" or a prefix such as /host), one that
 * is being written down (`hmonitor capture`), and a captured folder that is played back.
 */
export interface Machine {
  /** Prefix of /proc, /sys and /etc; "/" on the machine itself. */
  readonly root: string;
  /** Text of a file ("/proc/stat"), or undefined when it is not there or may not be read. Only for files that cannot hang. */
  read(path: string): string | undefined;
  /** The same for a file that is no text, byte for byte. */
  bytes(path: string): Uint8Array | undefined;
  /**
   * First line of a file whose driver may keep its readers waiting for ever (a sensor); undefined as for `read`. It is
   * read by another process: each that waits stays, so ask no card again that has not answered yet.
   */
  readApart(path: string): Promise<string | undefined>;
  /** Names in a folder; empty when it is not there or may not be read. */
  list(path: string): string[];
  /** Target of a symbolic link, or undefined. */
  link(path: string): string | undefined;
  /** What a process has open below a folder ("/dev/dri"); empty when it is gone or somebody else's. */
  opened(pid: string, folder: string): OpenFile[];
  /** What a chip is sold as, by the lists of names that libdrm and hwdata install; undefined where neither knows it. */
  product(chip: PciIdentity): string | undefined;
  /**
   * Space on a mount. A network filesystem whose server is away blocks for ever, so those are asked in a process of
   * their own, which is given up at the deadline.
   * @throws Error when the deadline passed or the filesystem refused.
   */
  space(mount: string, options: { network: boolean; deadline: number }): Promise<Space>;
  addresses(): Address[];
  hostname(): string;
  /** Names of users, as the machine's name service (files, LDAP, SSSD) knows them; unknown ones are left out. */
  users(uids: readonly number[]): Promise<ReadonlyMap<number, string>>;
  /**
   * What the kubelet behind a socket has given to containers; undefined where there is no such socket.
   * @param deadline Milliseconds after which the kubelet is given up.
   * @throws Error (by rejecting) when it does not answer or not sensibly; its name is "Hung" after the deadline, and
   *   "Unsupported" where this user may not ask.
   */
  grants(socket: string, deadline: number): Promise<readonly Grant[]> | undefined;
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds that never go back; for rates. */
  ticks(): number;
}
