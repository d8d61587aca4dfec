// A chat room: the list of messages is in state.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { MessageForm } from "shared/chat/message_form.js";
import { MessageList } from "shared/messages/message_list.js";
import { add } from "shared/messages/messages.js";
import { mount } from "shared/pages/mount.js";

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

mount(Room);
