import * as v from "valibot";
import { place } from "./card.ts";
import { bytes, count, name, number, page, texts, yes } from "./field.ts";

const user = v.pipe(
  v.object({
    name: name("Name of the user; of a Kubernetes pod, if no process is visible, namespace and name."),
    cards: count("Cards that they hold. A card that two users share counts for both."),
    idle_cards: count("Cards of these on which nothing computes."),
    memory_bytes: bytes("Device memory of their processes; null if unknown."),
    utilization_percent: number("Mean utilization of these cards."),
    hosts: texts("Names of the hosts of these cards."),
    jobs: texts("Slurm jobs of their processes on these cards."),
    pods: texts("Kubernetes pods of their processes on these cards."),
    gpus: v.pipe(
      v.array(
        v.object({
          ...place,
          memory_bytes: bytes("Device memory of their processes on it."),
          utilization_percent: number("Utilization of the card."),
          idle: yes("True if nothing computes on it."),
        }),
      ),
      v.description("The cards."),
    ),
  }),
  v.title("User"),
);

export const users = v.pipe(
  v.object({ users: v.array(user), ...page }),
  v.title("UserList"),
  v.examples([
    {
      users: [
        {
          name: "alice",
          cards: 1,
          idle_cards: 0,
          memory_bytes: 68_000_000_000,
          utilization_percent: 91.25,
          hosts: ["gpu1"],
          jobs: ["884422"],
          pods: [],
          gpus: [
            {
              host: "gpu1",
              shown_name: "gpu1",
              index: 0,
              uuid: "GPU-5f0c8c1e-3c39-4c0e-9a1b-0d3d6f1b2a11",
              model: "NVIDIA H100 80GB HBM3",
              memory_bytes: 68_000_000_000,
              utilization_percent: 91.25,
              idle: false,
            },
          ],
        },
      ],
      total: 1,
      next: null,
    },
  ]),
);
