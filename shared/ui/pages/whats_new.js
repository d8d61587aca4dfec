// The page of what is new: it came whole, but for the account.
import { show } from "./mount.js";

show(() => null);
