import { account } from "../../../actors/account.ts";
import { counter } from "../../../actors/counter.ts";
import { alarm } from "./alarms.ts";
import { move, stamp, vault } from "./moves.ts";
import { echo, echoes, tallies } from "./read_models.ts";
import { parcel } from "./parcels.ts";
import { forwarder, inbox } from "./relay.ts";
import { volley } from "./volleys.ts";

/** What runs under fire: the samples, actors that send to each other, timers, sagas, and what follows the log. */
export default [
  ...[counter, account, forwarder, inbox, alarm, vault, stamp, move],
  ...[parcel, volley, echo, echoes, tallies],
];
