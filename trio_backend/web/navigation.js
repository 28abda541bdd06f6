/** Where this tab is: which character, which conversation. Finds the way back there after a reload or a lost line. */

import { place, remember } from "./settings.js";

/** @typedef {"arriving"|"switching"|"resuming"|"here"} Step */

/** Emits "moved" when character or conversation are others, and "loading" when a switch begins or ends. */
export class Navigation extends EventTarget {
  constructor(connection, conversation, dialogue) {
    super();
    this.connection = connection;
    this.conversation = conversation;
    this.dialogue = dialogue;
    /** @type {Step} */ this.step = "arriving";
    /** The character who is here. */
    this.character = { uid: "", name: "" };
    /** The file that is being loaded, "" if none is. */
    this.loading = "";
    /** The conversation that was asked for and has not come yet. */
    this.asked = "";
  }

  /** The line is open: ask for everything there is. */
  arrive() {
    this.step = "arriving";
    this.loading = this.asked = "";
    for (const type of ["fetch-backgrounds", "fetch-configs", "fetch-history-list"]) this.connection.send({ type });
  }

  /** Become the character of that file; whoever is being loaded is let go. */
  switchTo(file) {
    if (!this.connection.send({ type: "switch-config", file })) return;
    this.loading = file;
    this.#tell("loading");
  }

  /** Open a conversation of the past. */
  resume(uid) {
    this.#leave();
    this.asked = uid;
    this.connection.send({ type: "fetch-and-set-history", history_uid: uid });
  }

  /** Begin a new conversation. */
  begin() {
    this.#leave();
    this.connection.send({ type: "create-new-history" });
  }

  /** One message about where we are. @param {any} message */
  take(message) {
    switch (message.type) {
      case "set-model-and-conf":
        this.character = { uid: String(message.conf_uid), name: String(message.conf_name) };
        if (this.step === "arriving") this.#wayBack();
        return this.#tell("moved");
      case "config-switched": return this.#switched();
      case "new-history-created":
        this.#enter(String(message.history_uid));
        return this.conversation.clear();
      case "history-data":
        this.#enter(this.asked);
        return this.conversation.load(message.messages ?? []);
      case "history-deleted":
        if (message.success && message.history_uid === place().conversation) this.begin();
        return this.connection.send({ type: "fetch-history-list" });
    }
  }

  /** An error of the server; true if it was about where we are going, and needs no words. */
  excuse(code) {
    if (/history/.test(code) && this.asked) {
      // It was never written down, or somebody deleted it: a new one then, without a fuss if nobody asked for it.
      const unasked = this.step === "resuming";
      this.asked = "";
      this.step = "here";
      if (unasked) this.begin();
      return unasked && code === "no-such-history";
    }
    // Other errors are about other things; a server that gives no codes leaves us to guess.
    if (!this.loading || (code && code !== "bad-config")) return false;
    this.loading = "";
    this.#tell("loading");
    if (this.step !== "switching") return false;
    this.step = "here";
    this.begin();
    return true;
  }

  /** Back to the character and the conversation that this tab was in. */
  #wayBack() {
    const { file, character, conversation } = place();
    if (file && character && character !== this.character.uid) {
      this.step = "switching";
      this.switchTo(file);
    } else if (conversation && character === this.character.uid) {
      this.step = "resuming";
      this.resume(conversation);
    } else {
      this.step = "here";
      this.begin();
    }
  }

  #switched() {
    const file = this.loading || place().file;
    const wayBack = this.step === "switching";
    this.loading = "";
    this.dialogue.abandon();
    this.connection.send({ type: "fetch-history-list" });
    if (!wayBack) remember({ conversation: "" });
    remember({ file, character: this.character.uid });
    this.#wayBack();
    this.#tell("loading");
  }

  /** What is being said ends; on a line that is new there is nobody to tell. */
  #leave() {
    if (this.step === "here") this.dialogue.bargeIn();
    else this.dialogue.abandon();
  }

  #enter(uid) {
    this.step = "here";
    this.asked = "";
    this.dialogue.abandon();
    remember({ character: this.character.uid, conversation: uid });
    this.#tell("moved");
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
