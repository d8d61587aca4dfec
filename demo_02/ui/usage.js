// Token usage: one big number.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { mount } from "shared/pages/mount.js";
import { Tally } from "shared/pages/tally.js";

function Usage() {
  const [tally, setTally] = useState(0);

  return html`<${Tally} tally=${tally} />`;
}

mount(Usage);
