import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { defaultTimeouts, ScrapeConnections } from "./connections.ts";

/** A connection of a client. */
class Client extends EventEmitter {
  readonly remoteAddress: string;
  readonly writableLength = 0;
  destroyed = false;

  constructor(address: string) {
    super();
    this.remoteAddress = address;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }

  get socket(): Socket {
    return this as unknown as Socket;
  }
}

function open(connections: ScrapeConnections, address: string): Client {
  const client = new Client(address);
  connections.add(client.socket);
  return client;
}

const request = (connections: ScrapeConnections, { socket }: Client): boolean =>
  connections.begin(socket, new EventEmitter() as ServerResponse);

test("a scraper keeps its connection while others take every place, whatever they do with theirs", () => {
  const connections = new ScrapeConnections(defaultTimeouts);
  const scraper = open(connections, "10.0.0.9");
  const crowd: Client[] = [];
  for (let i = 0; i < 1000; i++) {
    const client = open(connections, `10.0.1.${i % 40}`);
    // A request under way is worth more than the scraper's idle connection.
    request(connections, client);
    crowd.push(client);
  }
  expect([scraper.destroyed, crowd.filter(({ destroyed }) => !destroyed).length]).toEqual([false, 255]);
  const second = open(connections, "10.0.0.8");
  for (const address of ["10.0.1.1", "10.0.1.2", "10.0.1.3"]) open(connections, address);
  expect([scraper.destroyed, second.destroyed]).toEqual([false, false]);
  for (const client of [scraper, second, ...crowd]) client.destroy();
});

test("of one address the seventeenth connection takes the place of one that asks for nothing", () => {
  const connections = new ScrapeConnections(defaultTimeouts);
  const [silent, ...others] = Array.from({ length: 16 }, () => open(connections, "10.0.0.9"));
  for (const client of others) request(connections, client);
  const next = open(connections, "10.0.0.9");
  expect([silent?.destroyed, next.destroyed, others.some(({ destroyed }) => destroyed)]).toEqual([true, false, false]);
  for (const client of [...others, next]) client.destroy();
});
