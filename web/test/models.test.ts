import { describe, expect, it } from "vitest";

import type { ModelEntry, Role } from "../src/formats";
import { modelsFor, modesOf, networksOf } from "../src/models";

const entry = (attribute: string, role: Role, network: string) =>
  ({ attribute, role, network, path: `${attribute}-${role}-${network}` }) as ModelEntry;
const entries = [
  entry("glasses", "add", "attention"),
  entry("glasses", "add", "paper"),
  entry("glasses", "remove", "attention"),
  entry("hat", "add", "paper"),
  entry("glasses", "tell", "plain"),
];

describe("the choice of networks", () => {
  it("names each that edits, and no classifier", () => {
    expect(networksOf(entries, "glasses")).toEqual(["attention", "paper"]);
    expect(networksOf(entries, "hat")).toEqual(["paper"]);
    expect(networksOf(entries, "beard")).toEqual([]);
  });

  it("allows what that network can, with the classifier that both share", () => {
    expect(modesOf(entries, "glasses", "attention")).toEqual(["add", "remove", "invert"]);
    expect(modesOf(entries, "glasses", "paper")).toEqual(["add"]);
  });

  it("needs that network's models alone", () => {
    const paths = (network: string, mode: "add" | "invert") =>
      modelsFor(entries, "glasses", network, mode).map(({ path }) => path);
    expect(paths("paper", "add")).toEqual(["glasses-add-paper"]);
    expect(paths("attention", "invert")).toEqual([
      "glasses-add-attention",
      "glasses-remove-attention",
      "glasses-tell-plain",
    ]);
    expect(paths("paper", "invert")).toEqual([]);
  });
});
