// A chat room: the list of messages is in state.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { MessageForm } from "shared/message_form.js";
import { MessageList } from "shared/message_list.js";
import { add } from "shared/messages.js";
import { show } from "shared/page.js";

function Room({ room }) {
  const [messages, setMessages] = useState([]);

  function addMessage(message) {
    setMessages((messages) => add(messages, message));
  }

  return html`
    <${MessageList} messages=${messages} />
    <${MessageForm} addMessage=${addMessage} />
  `;
}

show(Room);
