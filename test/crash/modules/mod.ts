import { account } from "../../../actors/account.ts";
import { counter } from "../../../actors/counter.ts";
import { echo, echoes, tallies } from "./read_models.ts";
import { forwarder, inbox } from "./relay.ts";

/** What runs under fire: the samples, actors that send to each other, and what follows their log. */
export default [counter, account, forwarder, inbox, echo, echoes, tallies];
