/** Size of a mounted filesystem in bytes, from statfs. */
export interface Space {
  readonly size: number;
  readonly free: number;
  /** Bytes that an unprivileged user may still write. */
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

/** Vendor, device and revision of a PCI function, in lower-case hexadecimal without "0x". */
export interface PciIdentity {
  readonly vendor: string;
  readonly device: string;
  readonly revision: string;
}

/** Devices that Kubernetes has allocated to one container. */
export interface Grant {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Resource name, "nvidia.com/gpu"; for a resource claim the driver, "gpu.nvidia.com". */
  readonly resource: string;
  /** Device ids of the node's device plugin, or of that driver. */
  readonly devices: readonly string[];
}

/**
 * Access to everything that is read of a machine. Three implementations: this machine ("/" or a prefix such as /host), one
 * being recorded (`hmonitor capture`), and a capture that is played back.
 */
export interface Machine {
  /** Prefix of /proc, /sys and /etc; "/" on the machine itself. */
  readonly root: string;
  /** Returns the text of a file ("/proc/stat"); undefined if it does not exist or may not be read. Only for files that cannot hang. */
  read(path: string): string | undefined;
  /** Returns the bytes of a binary file, as `read`. */
  bytes(path: string): Uint8Array | undefined;
  /**
   * Reads the first line of a file whose driver may block for ever (a sensor), in another process; undefined as for `read`.
   * A blocked process remains, so do not ask a card again before it has answered.
   */
  readApart(path: string): Promise<string | undefined>;
  /** Names in a directory; empty if it does not exist or may not be read. */
  list(path: string): string[];
  /** Target of a symbolic link, or undefined. */
  link(path: string): string | undefined;
  /** Files that a process has open below a directory ("/dev/dri"); empty if the process has ended or is another user's. */
  opened(pid: string, folder: string): OpenFile[];
  /** Product name of a chip, from the lists that libdrm and hwdata install; undefined if neither has it. */
  product(chip: PciIdentity): string | undefined;
  /**
   * Reads the space of a mount. A network filesystem whose server does not answer blocks for ever, so it is read in another
   * process, which is abandoned at the deadline.
   * @throws Error at the deadline, or if the filesystem refuses.
   */
  space(mount: string, options: { network: boolean; deadline: number }): Promise<Space>;
  addresses(): Address[];
  hostname(): string;
  /** Names of users from the machine's name service (files, LDAP, SSSD); unknown ones are left out. */
  users(uids: readonly number[]): Promise<ReadonlyMap<number, string>>;
  /**
   * Lists the devices that the kubelet behind a socket has allocated to containers; undefined if there is no such socket.
   * @param deadline Milliseconds after which the request is abandoned.
   * @throws Error (by rejecting) if it does not answer or answers with garbage; its name is "Hung" after the deadline, and
   *   "Unsupported" if this user may not ask.
   */
  grants(socket: string, deadline: number): Promise<readonly Grant[]> | undefined;
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds, monotonic; for rates. */
  ticks(): number;
}
