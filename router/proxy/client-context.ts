import type { Clock } from "../../common/clock.ts";
import type { Logger } from "../../common/log.ts";
import type { Counters } from "../admin/counters.ts";
import type { TrustedPeers } from "../guard/peers.ts";
import type { RequestParser } from "../wire/request-parser.ts";
import type { AnswerLog } from "./answer-log.ts";
import type { ClientConnection } from "./client.ts";
import type { DeadlineList, Deadlines } from "./deadlines.ts";
import type { Exchange } from "./exchange.ts";

/** What clients' connections may wait for. */
export interface ClientDeadlines {
  readonly all: Deadlines;
  readonly head: DeadlineList;
  readonly request: DeadlineList;
  readonly idle: DeadlineList;
  readonly closing: DeadlineList;
}

/** What all connections of clients share. */
export interface ClientContext {
  /** The request's path; what it throws is answered with an error. */
  readonly serve: (exchange: Exchange) => void;
  readonly parser: RequestParser;
  readonly deadlines: ClientDeadlines;
  readonly connections: Set<ClientConnection>;
  readonly open: Set<Exchange>;
  readonly peers: TrustedPeers;
  readonly counters: Counters;
  readonly answerLog: AnswerLog;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether the router stops: answers say `Connection: close`. */
  readonly stopping: () => boolean;
}
