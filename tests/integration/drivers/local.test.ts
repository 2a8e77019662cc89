import { conformance } from "../../conformance/cell-driver.ts";
import { drainMs, openStage } from "./local-stage.ts";

conformance("local", openStage, { serves: true, drainMs });
