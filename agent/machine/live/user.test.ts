import { expect, test, vi } from "vitest";
import { parsePasswd, type UserSources, userNames } from "./user.ts";

const passwd = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n";

test("the first name of a number wins, lines that are none are passed over", () => {
  expect([...parsePasswd(`${passwd}garbage\n:x:5:\nx:x:y:\n+::::::\n`)]).toEqual([
    [0, "root"],
    [1000, "alice"],
  ]);
});

function doors(rest: Partial<UserSources>): UserSources & { time: number } {
  const door: UserSources & { time: number } = {
    time: 0,
    own: () => undefined,
    host: () => undefined,
    ticks: () => door.time,
    getent: async () => "",
    ...rest,
  };
  return door;
}

test("asks for many users at once, once in ten minutes", async () => {
  const getent = vi.fn(async () => passwd);
  const door = doors({ getent });
  const names = userNames(door);
  expect(await names([0, 1000, 0])).toEqual(
    new Map([
      [0, "root"],
      [1000, "alice"],
    ]),
  );
  door.time = 599_999;
  await names([1000, 0]);
  expect(getent.mock.calls).toEqual([[[0, 1000]]]);
  door.time = 600_000;
  expect((await names([1000])).get(1000)).toBe("alice");
  expect(getent).toHaveBeenCalledTimes(2);
});

test("a user nobody knows is asked for again after a minute", async () => {
  const getent = vi.fn(async (): Promise<string> => "");
  const door = doors({ getent });
  const names = userNames(door);
  expect((await names([7])).size).toBe(0);
  door.time = 59_999;
  await names([7]);
  expect(getent).toHaveBeenCalledTimes(1);
  door.time = 60_000;
  getent.mockResolvedValue("new:x:7:7::/:/bin/sh\n");
  expect((await names([7])).get(7)).toBe("new");
});

test("a slow name service holds nobody up, its names are there the next time", async () => {
  vi.useFakeTimers();
  let answer = (_: string): void => undefined;
  const getent = vi.fn(() => new Promise<string>((resolve) => (answer = resolve)));
  const names = userNames(doors({ getent, patience: 150 }));
  const asked = names([1000]);
  await vi.advanceTimersByTimeAsync(150);
  expect((await asked).size).toBe(0);
  // Not asked twice while the first question is out.
  expect((await names([1000])).size).toBe(0);
  expect(getent).toHaveBeenCalledTimes(1);
  answer(passwd);
  await vi.advanceTimersByTimeAsync(0);
  expect((await names([1000])).get(1000)).toBe("alice");
  vi.useRealTimers();
});

test("a name that grew old is shown while the name service is asked again", async () => {
  const getent = vi.fn(async (): Promise<string> => passwd);
  const door = doors({ getent });
  const names = userNames(door);
  await names([1000]);
  door.time = 600_000;
  getent.mockReturnValue(new Promise<string>(() => undefined));
  expect((await names([1000])).get(1000)).toBe("alice");
});

test("without a name service /etc/passwd is read", async () => {
  const names = userNames(doors({ getent: async () => undefined, own: () => passwd }));
  expect((await names([1000])).get(1000)).toBe("alice");
});

test("a name service that cannot be started costs the names, nothing else", async () => {
  const names = userNames(doors({ getent: () => Promise.reject(new Error("EAGAIN")) }));
  expect((await names([1000])).size).toBe(0);
});

test("in a container the host's passwd is asked first, and the image's own names are not the host's", async () => {
  const getent = vi.fn(async () => "node:x:1001:1001::/:/bin/sh\nbob:x:5000:5000::/:/bin/sh\n");
  const names = userNames(doors({ host: () => passwd, own: () => "node:x:1001:1001::/:/bin/sh\n", getent }));
  // alice is the host's; 1001 is only a user of the image; bob comes from a directory service both share.
  expect(await names([1000, 1001, 5000])).toEqual(
    new Map([
      [1000, "alice"],
      [5000, "bob"],
    ]),
  );
  expect(getent.mock.calls).toEqual([[[1001, 5000]]]);
});

test("the real name service of this machine knows root", async () => {
  const names = userNames({ own: () => undefined, host: () => undefined, ticks: () => 0, patience: 10_000 });
  expect((await names([0])).get(0)).toBe("root");
});
