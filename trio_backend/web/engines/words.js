/** The words of the engines, in the page's three languages. */

/** key: [English, Chinese, Japanese] @type {Record<string, [string, string, string]>} */
const WORDS = {
  engines: ["Engines", "引擎", "エンジン"],
  close: ["Close", "关闭", "閉じる"],
  about: ["A choice holds for this page, until it is closed or the character changes.", "所选引擎只对本页面有效，关闭页面或更换角色后恢复。", "選んだエンジンはこのページだけで使われ、閉じるかキャラクターを替えると元に戻ります。"],
  tts: ["Voice", "语音合成", "音声合成"],
  asr: ["Speech recognition", "语音识别", "音声認識"],
  llm: ["Language model", "语言模型", "言語モデル"],
  try: ["Try", "试用", "試す"],
  use: ["Use", "使用", "使う"],
  stop: ["Stop", "停止", "止める"],
  tryOne: ["Try {name}", "试用 {name}", "{name} を試す"],
  useOne: ["Use {name}", "使用 {name}", "{name} を使う"],
  stopOne: ["Stop {name}", "停止 {name}", "{name} を止める"],
  inUse: ["in use", "使用中", "使用中"],
  needs: ["Needs {what}", "需要：{what}", "必要なもの：{what}"],
  usual: ["the character's own", "角色自带", "キャラクター本来のもの"],
  unusable: ["Not usable here ({count})", "此处不可用（{count}）", "ここでは使えないもの（{count}）"],
  looking: ["Looking…", "正在查看…", "調べています…"],
  loading: ["Loading…", "加载中…", "読み込み中…"],
  speakNow: ["Say something now, for two seconds…", "请现在说话，两秒钟…", "今から 2 秒間、話してください…"],
  understood: ["Understood: “{text}”", "听到：“{text}”", "聞き取り：「{text}」"],
  nothing: ["Nothing was understood.", "什么也没有听懂。", "何も聞き取れませんでした。"],
  answered: ["“{text}”", "“{text}”", "「{text}」"],
  took: ["Loaded in {loaded} s, then {took} s.", "加载 {loaded} 秒，随后 {took} 秒。", "読み込み {loaded} 秒、その後 {took} 秒。"],
  chosen: ["In use from the next answer on.", "从下一个回答开始使用。", "次の返事から使われます。"],
  toKeep: ["To keep it, write in {file}:", "若要永久使用，请写入 {file}：", "ずっと使うには {file} に書いてください："],
  failed: ["This did not work: {why}", "未成功：{why}", "うまくいきませんでした：{why}"],
  noMicrophone: ["The browser gives this page no microphone.", "浏览器未允许使用麦克风。", "ブラウザがマイクを許可していません。"],
  lost: ["The connection was lost.", "连接已断开。", "接続が切れました。"],
  sentence: ["Hello. This is how I sound.", "你好，这就是我的声音。", "こんにちは。私の声はこんな感じです。"],
};

const LANGUAGES = ["en", "zh", "ja"];

/** As `say` of the page, which has chosen the language. @param {Record<string, string|number>} [values] */
export function say(key, values = {}) {
  const text = WORDS[key][Math.max(0, LANGUAGES.indexOf(document.documentElement.lang))];
  return text.replace(/\{(\w+)\}/g, (_, slot) => String(values[slot]));
}
