import { connect as connectSocket } from "node:net";
import type * as temporalSdk from "@temporalio/client";
import {
  searchNames,
  temporalNames,
  type CommandInput,
  type Rollout,
  type RolloutInput,
} from "../../common/contracts/rollout.ts";
import type { Logger } from "../../common/log.ts";
import { CellplaneError } from "../../common/errors.ts";
import { fail } from "../errors.ts";

/** How long one call to Temporal may take, in milliseconds. */
const callTimeoutMs = 5_000;
const connectTimeoutMs = 2_000;
/** An answer to a command needs a worker, which may just be starting. */
const commandTimeoutMs = 10_000;

/** How the control plane starts workflows and hands commands to them. */
export interface WorkflowEngine {
  /** Whether this fleet has one at all. */
  readonly isConfigured: boolean;
  /** Whether somebody listens there; asked without loading a client. */
  isReachable(): Promise<boolean>;
  /**
   * Starts the rollout's workflow by its application's name; does nothing where this rollout's runs already.
   * @returns false while another rollout's workflow still has that name.
   */
  startRollout(rollout: Rollout): Promise<boolean>;
  /**
   * @returns the rollout as the workflow has it after the command.
   * @throws command-refused with the workflow's reason, workflow-gone, temporal-unreachable
   */
  command(rollout: Rollout, input: CommandInput): Promise<Rollout>;
  /**
   * Ends a rollout's workflow that does not answer any more.
   * @returns whether there was one.
   * @throws operation-alive where it answers; temporal-unreachable
   */
  endLost(rollout: Rollout, reason: string): Promise<boolean>;
  close(): Promise<void>;
}

const probeTimeoutMs = 500;

interface Connected {
  readonly sdk: typeof temporalSdk;
  readonly client: temporalSdk.Client;
  readonly connection: temporalSdk.Connection;
}

/**
 * Temporal, connected on first use: the control plane boots without it, and its client is a hundred modules that only operations need.
 * @param address `host:port`, empty where the fleet runs without Temporal.
 */
export function createTemporal(address: string, log: Logger): WorkflowEngine {
  let connected: Promise<Connected> | null = null;

  async function connect(): Promise<Connected> {
    const attempt = (connected ??= open(address));
    try {
      return await attempt;
    } catch (cause) {
      if (connected === attempt) connected = null;
      throw fail("temporal-unreachable", `${address} does not answer.`, { cause });
    }
  }

  return {
    isConfigured: address !== "",

    isReachable: () => (address === "" ? Promise.resolve(false) : accepts(address)),

    async startRollout(rollout) {
      const { sdk, client, connection } = await connect();
      const workflowId = temporalNames.rolloutId(rollout.application);
      const { id: operation, plan, requestedBy, history } = rollout;
      const input: RolloutInput = { operation, plan, requestedBy, reason: history[0]?.reason ?? null };
      const searchable = await withAttributes(connection, log);
      try {
        await connection.withDeadline(Date.now() + callTimeoutMs, () =>
          client.workflow.start(temporalNames.rolloutWorkflow, {
            workflowId,
            taskQueue: temporalNames.taskQueue,
            args: [{ ...input, searchable }],
            memo: { operation: rollout.id },
            workflowIdConflictPolicy: "FAIL",
            workflowIdReusePolicy: "ALLOW_DUPLICATE",
          }),
        );
        return true;
      } catch (error) {
        if (!(error instanceof sdk.WorkflowExecutionAlreadyStartedError)) throw error;
        const { memo } = await connection.withDeadline(Date.now() + callTimeoutMs, () =>
          client.workflow.getHandle(workflowId).describe(),
        );
        return memo?.["operation"] === rollout.id;
      }
    },

    async command(rollout, input) {
      const { sdk, client, connection } = await connect();
      const handle = client.workflow.getHandle(temporalNames.rolloutId(rollout.application));
      try {
        return await connection.withDeadline(Date.now() + commandTimeoutMs, () =>
          handle.executeUpdate<Rollout, [CommandInput]>(temporalNames.commandUpdate, { args: [input] }),
        );
      } catch (cause) {
        if (cause instanceof sdk.WorkflowUpdateFailedError) {
          const { type } = cause.cause as { type?: string };
          throw fail("command-refused", cause.cause?.message ?? cause.message, {
            cause,
            extra: type === undefined ? {} : { refusal: type },
          });
        }
        if (cause instanceof sdk.WorkflowNotFoundError) {
          throw fail("workflow-gone", "Temporal has no running workflow of this rollout.", { cause });
        }
        throw fail(
          "temporal-unreachable",
          "Neither Temporal nor the workflow worker answered in time; whether the command will still be carried out is not known.",
          { cause },
        );
      }
    },

    async endLost(rollout, reason) {
      const { sdk, client, connection } = await connect();
      const handle = client.workflow.getHandle(temporalNames.rolloutId(rollout.application));
      const soon = <T>(call: () => Promise<T>): Promise<T> => connection.withDeadline(Date.now() + callTimeoutMs, call);
      try {
        const { memo, status } = await soon(() => handle.describe());
        if (memo?.["operation"] !== rollout.id || status.name !== "RUNNING") return false;
        if (await soon(() => handle.query<Rollout>(temporalNames.stateQuery)).then(isAnswer, isNoAnswer))
          throw fail("operation-alive", `The workflow of ${rollout.release} answers.`);
        await soon(() => handle.terminate(reason));
        return true;
      } catch (cause) {
        if (cause instanceof sdk.WorkflowNotFoundError) return false;
        if (cause instanceof CellplaneError) throw cause;
        throw fail("temporal-unreachable", "Temporal did not answer in time.", { cause });
      }
    },

    async close() {
      const last = await connected?.catch(() => null);
      await last?.connection.close();
    },
  };
}

/** A connection that could not be made stays so for ever in Temporal's client: each attempt is a new one. */
async function open(address: string): Promise<Connected> {
  const sdk = await import("@temporalio/client");
  const connection = sdk.Connection.lazy({ address, connectTimeout: connectTimeoutMs });
  try {
    await connection.ensureConnected();
  } catch (error) {
    await connection.close();
    throw error;
  }
  return { sdk, connection, client: new sdk.Client({ connection, namespace: temporalNames.namespace }) };
}

const isAnswer = (): boolean => true;
/** Whatever keeps it from answering: no worker takes it up, or its code fails. */
const isNoAnswer = (): boolean => false;

/** Keyword and Int, by Temporal's numbers (IndexedValueType). */
const attributeTypes: Readonly<Record<string, number>> = {
  [searchNames.application]: 2,
  [searchNames.release]: 2,
  [searchNames.state]: 2,
  [searchNames.wave]: 3,
};

/**
 * Makes the attributes by which rollouts are found in Temporal, where they are missing. A workflow that sets one that is not there would be stuck, so that without
 * the permission, or where Temporal has no room for them, rollouts run without.
 * @returns whether all are there.
 */
async function withAttributes(connection: temporalSdk.Connection, log: Logger): Promise<boolean> {
  const { namespace } = temporalNames;
  const missing = async (): Promise<string[]> => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return Object.keys(attributeTypes).filter((name) => customAttributes?.[name] !== attributeTypes[name]);
  };
  try {
    return await connection.withDeadline(Date.now() + callTimeoutMs, async () => {
      const wanted = await missing();
      if (wanted.length === 0) return true;
      const searchAttributes = Object.fromEntries(wanted.map((name) => [name, attributeTypes[name] ?? 0]));
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
      return (await missing()).length === 0;
    });
  } catch (error) {
    log.warn({ event: "search-attributes-missing", attributes: Object.keys(attributeTypes), err: error });
    return false;
  }
}

function accepts(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(":");
  return new Promise((resolve) => {
    const socket = connectSocket({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      timeout: probeTimeoutMs,
    });
    const answer = (reachable: boolean): void => {
      socket.destroy();
      resolve(reachable);
    };
    socket.once("connect", () => answer(true));
    socket.once("timeout", () => answer(false));
    socket.once("error", () => answer(false));
  });
}
