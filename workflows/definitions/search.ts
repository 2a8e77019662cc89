import { defineSearchAttributeKey, type SearchAttributePair } from "@temporalio/common";
import { searchNames, type Rollout } from "../../common/contracts/rollout.ts";

const application = defineSearchAttributeKey(searchNames.application, "KEYWORD");
const release = defineSearchAttributeKey(searchNames.release, "KEYWORD");
const state = defineSearchAttributeKey(searchNames.state, "KEYWORD");
const wave = defineSearchAttributeKey(searchNames.wave, "INT");

/** By what a rollout is found in Temporal; before its first wave it is in wave 0. */
export function searchAttributesOf(rollout: Rollout): SearchAttributePair[] {
  return [
    { key: application, value: rollout.application },
    { key: release, value: rollout.release },
    { key: state, value: rollout.state },
    { key: wave, value: rollout.wave ?? 0 },
  ];
}
