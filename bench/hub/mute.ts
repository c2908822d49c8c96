// Listens with the shortest backlog, and says at which port. The benchmark stops it then.
import { type AddressInfo, createServer } from "node:net";

const server = createServer();
server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit(0));
