/** Every word of the page in its three languages. What the character says is not translated. */

/** @typedef {"en"|"zh"|"ja"} Language */

/** key: [English, Chinese, Japanese] @type {Record<string, [string, string, string]>} */
const WORDS = {
  skip: ["Skip to the message field", "跳到输入框", "入力欄へ移動"],
  menu: ["Menu", "菜单", "メニュー"],
  characters: ["Characters", "角色", "キャラクター"],
  conversations: ["Conversations", "对话记录", "会話"],
  settings: ["Settings", "设置", "設定"],
  mute: ["Mute", "静音", "ミュート"],
  conversation: ["Conversation", "对话", "会話"],
  close: ["Close", "关闭", "閉じる"],
  attach: ["Add a picture", "添加图片", "画像を追加"],
  attached: ["Attached pictures", "已添加的图片", "添付した画像"],
  remove: ["Remove picture", "移除图片", "画像を取り除く"],
  picture: ["Picture", "图片", "画像"],
  camera: ["Camera", "摄像头", "カメラ"],
  screen: ["Screen", "屏幕", "画面"],
  takePicture: ["Take picture", "拍照", "撮影する"],
  message: ["Message", "消息", "メッセージ"],
  placeholder: ["Say something…", "说点什么…", "話しかけてみて…"],
  send: ["Send", "发送", "送信"],
  stop: ["Stop", "停止", "止める"],
  micOn: ["Start listening", "开始聆听", "聞き取りを始める"],
  micOff: ["Stop listening", "停止聆听", "聞き取りを止める"],
  micHold: ["Hold to talk", "按住说话", "押している間だけ話す"],
  latest: ["Latest", "最新", "最新へ"],
  tapForSound: ["Tap for sound", "点一下打开声音", "タップして音声を出す"],
  opening: ["Say hello.", "打个招呼吧。", "話しかけてください。"],
  openingHearing: ["Say hello.\nI am listening.", "打个招呼吧。\n我在听。", "話しかけてください。\n聞いています。"],
  openingAsleep: ["“{word}” wakes me up.", "说“{word}”就能唤醒我。", "「{word}」と呼ぶと起きます。"],
  starter1: ["Who are you?", "你是谁？", "あなたは誰？"],
  starter2: ["Tell me a joke.", "给我讲个笑话。", "冗談を言って。"],
  starter3: ["How was your day?", "最近怎么样？", "今日はどうだった？"],
  you: ["You", "你", "あなた"],
  interrupted: ["interrupted", "被打断", "中断"],
  whereTimeWent: ["Where the time went", "时间花在哪里", "かかった時間の内訳"],
  toFirstSound: ["To the first sound", "到第一个声音", "最初の声まで"],
  end_of_turn: ["End of your turn", "确认你已说完", "話し終わりの判断"],
  transcript: ["Speech recognition", "语音识别", "音声認識"],
  first_token: ["First word", "第一个词", "最初の語"],
  first_sentence: ["First sentence", "第一句话", "最初の文"],
  sound_made: ["Speech synthesis", "语音合成", "音声合成"],
  sound_sent: ["Sending", "发送", "送信"],
  sound_played: ["Starting to play", "开始播放", "再生の開始"],
  asleep: ["asleep until the wake word", "休眠中，请说唤醒词", "ウェイクワードを待っています"],
  asleepUntil: ["asleep until “{word}”", "休眠中，说“{word}”唤醒", "「{word}」と呼ぶまで休眠中"],
  sleptThrough: ["{name} is asleep and has not heard this.", "{name}在休眠，没有听到这句话。", "{name}は休眠中で、今の言葉は届いていません。"],
  sleptThroughUntil: ["{name} is asleep and has not heard this. Say or write “{word}” first.", "{name}在休眠，没有听到这句话。请先说或输入“{word}”。", "{name}は休眠中で、今の言葉は届いていません。先に「{word}」と話すか入力してください。"],
  waitingMessages: ["Messages that wait", "等待发送的消息", "送信待ちのメッセージ"],
  waitingForConnection: ["Sent when the connection is back", "恢复连接后自动发送", "接続が戻ると送信されます"],
  waitingForAnswer: ["Sent when this answer is over", "当前回答结束后自动发送", "今の返事が終わると送信されます"],
  takeBack: ["Take back", "撤回", "取り消して編集"],
  newConversation: ["New conversation", "新对话", "新しい会話"],
  noConversations: ["Nothing has been said yet.", "还没有对话。", "まだ会話はありません。"],
  older: ["Show older conversations", "显示更早的对话", "さらに前の会話を表示"],
  rename: ["Rename conversation", "重命名对话", "会話の名前を変更"],
  titleOf: ["Title (empty: your first words)", "标题（留空用第一句话）", "タイトル（空欄なら最初の言葉）"],
  save: ["Save", "保存", "保存"],
  remove1: ["Delete conversation", "删除对话", "会話を削除"],
  sure: ["Delete this conversation for good?", "确定永久删除这段对话？", "この会話を完全に削除しますか？"],
  yesDelete: ["Delete", "删除", "削除"],
  noKeep: ["Keep", "保留", "残す"],
  here: ["here now", "当前", "表示中"],
  loadingOne: ["Loading {name}. You can still choose another character.", "正在加载 {name}，您仍可改选其他角色。", "{name} を読み込んでいます。今なら変更できます。"],
  arriving: ["loading…", "加载中…", "読み込み中…"],
  language: ["Language", "语言", "言語"],
  theme: ["Theme", "主题", "テーマ"],
  themeSystem: ["As the system", "跟随系统", "システムに合わせる"],
  themeLight: ["Light", "浅色", "ライト"],
  themeDark: ["Dark", "深色", "ダーク"],
  volume: ["Volume", "音量", "音量"],
  listening: ["Microphone button", "麦克风按钮", "マイクボタン"],
  handsFree: ["Hands-free", "免手持", "ハンズフリー"],
  holdToTalk: ["Hold to talk", "按住说话", "押して話す"],
  microphone: ["Microphone", "麦克风", "マイク"],
  systemMicrophone: ["The system's choice", "系统默认", "システムの既定"],
  simpleEnglish: ["Speech recognition here understands only simple English.", "这里的语音识别只能听懂简单的英语。", "ここの音声認識は簡単な英語しか聞き取れません。"],
  understandMore: ["These understand more:", "以下引擎识别效果更好：", "次のものはもっとよく聞き取れます："],
  engines: ["Engines…", "引擎…", "エンジン…"],
  background: ["Background", "背景", "背景"],
  none: ["None", "无", "なし"],
  server: ["Server address", "服务器地址", "サーバーのアドレス"],
  serverHere: ["The one this page came from", "本页面所在的服务器", "このページのサーバー"],
  keptHere: ["These settings stay in this browser.", "这些设置只保存在此浏览器中。", "設定はこのブラウザだけに保存されます。"],
  ready: ["ready", "就绪", "待機中"],
  hearing: ["listening", "正在聆听", "聞いています"],
  thinking: ["thinking", "思考中", "考え中"],
  speaking: ["speaking", "说话中", "話しています"],
  connecting: ["connecting…", "连接中…", "接続中…"],
  lost: ["connection lost, trying again in {seconds} s", "连接已断开，{seconds} 秒后重试", "接続が切れました。{seconds} 秒後に再試行します"],
  refused: ["the server refused this page; the server's log says why", "服务器拒绝了本页面，原因见其日志", "サーバーに拒否されました。理由はログにあります"],
  retrying: ["connection lost, trying again…", "连接已断开，正在重试…", "接続が切れました。再試行中…"],
  notSent: ["Too many messages wait already. This one stays in the field.", "等待发送的消息过多，这一条会保留在输入框中。", "送信待ちが多すぎます。この文は入力欄に残ります。"],
  micRefused: ["The browser does not give this page a microphone. Allow it beside the address bar, then try again.", "浏览器未允许使用麦克风。请在地址栏旁允许后再试。", "ブラウザがマイクを許可していません。アドレスバーの横で許可してからもう一度お試しください。"],
  micMissing: ["No microphone was found.", "未找到麦克风。", "マイクが見つかりません。"],
  micInsecure: ["Browsers give microphones and cameras only to pages from https or this very machine.", "浏览器只允许 https 或本机页面使用麦克风和摄像头。", "マイクとカメラは https かこのパソコン自身のページでしか使えません。"],
  cameraRefused: ["The browser does not give this page a camera.", "浏览器未允许使用摄像头。", "ブラウザがカメラを許可していません。"],
  screenRefused: ["The screen was not shared.", "未共享屏幕。", "画面は共有されませんでした。"],
  badPicture: ["That is not a picture this browser can read.", "浏览器无法读取这张图片。", "この画像は読み込めません。"],
  manyPictures: ["Up to four pictures at a time.", "一次最多四张图片。", "画像は一度に 4 枚までです。"],
  badServer: ["That is not the address of a server.", "这不是有效的服务器地址。", "サーバーのアドレスではありません。"],
};

/** @type {Language[]} */
const LANGUAGES = ["en", "zh", "ja"];
/** @type {Language} */
let chosen = "en";

/** The language of the browser, if the page speaks it. @returns {Language} */
export function languageOfBrowser() {
  return LANGUAGES.find((language) => navigator.language.startsWith(language)) ?? "en";
}

/**
 * A word in the chosen language; `{slots}` in it are filled from `values`.
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function say(key, values = {}) {
  const text = WORDS[key][LANGUAGES.indexOf(chosen)];
  return text.replace(/\{(\w+)\}/g, (_, slot) => String(values[slot]));
}

/** Put all marked elements of the page into a language. */
export function speak(language) {
  chosen = LANGUAGES.includes(language) ? language : "en";
  document.documentElement.lang = chosen;
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = say(one.dataset.word);
  for (const one of document.querySelectorAll("[data-word-label]")) label(one, one.dataset.wordLabel);
  for (const one of document.querySelectorAll("[data-word-placeholder]")) one.placeholder = say(one.dataset.wordPlaceholder);
}

/** Name an element for those who hear the page, and in a tooltip for those who see only its icon. */
export function label(element, key) {
  element.setAttribute("data-word-label", key);
  element.setAttribute("aria-label", say(key));
  if (element instanceof HTMLButtonElement) element.title = say(key);
}
