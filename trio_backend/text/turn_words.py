"""Words by which an unfinished or a finished utterance is known, in English, Chinese and Japanese.

Speech recognisers write lower case without punctuation as often as not, so these lists are about words
alone. A word is in a list only if it (hardly) ever stands last in a complete sentence; one that may ("on"
in "turn it on", 的 in 是我的) is in none, and the neutral wait applies. What a class of words does is as in
any reference grammar: Quirk et al., “A Comprehensive Grammar of the English Language”; Li and Thompson,
“Mandarin Chinese”; Martin, “A Reference Grammar of Japanese”. The fillers are those of the Switchboard
annotations (English), and of the Corpus of Spontaneous Japanese.
"""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- English; apostrophes are left out, as in `phrases.Word.form` ---

# Conjunctions. Not "so" (I think so), "though" (nice, though), "then" (okay then), "since" (ever since).
EN_CONJUNCTIONS = _set("and or but because if unless until till whereas whether nor although than plus")

# Prepositions that need what follows them. Not those that are also particles of verbs: on, in, off, up,
# down, out, over, away, back, through, around, along. In a question, and after "what I was looking", they
# are stranded, and may be last: see `EN_QUESTION_WORDS`.
EN_PREPOSITIONS = _set(
    "of to from for with at by into onto upon about between among during without within towards toward "
    "against via per regarding concerning despite except as"
)

# Articles, and determiners that are never pronouns. Not "his" or "her" (I like her), "this", "that",
# "some", "all".
EN_DETERMINERS = _set("a an the my your our their its every")

# Pronouns joined to a verb: a contraction is never last, since the verb is stressed there (Quirk et al.:
# "Yes, I am", never "Yes, I'm"). "id", "ill", "well", "were", "shell", "hell", "wed" are words as well, and
# are told by their apostrophe: see `EN_CONTRACTED`.
EN_CONTRACTED_BARE = _set(
    "im ive youre youve youll theyre theyve theyll weve hes shes its thats theres whats whos wheres lets "
    "gonna wanna gotta"
)
EN_CONTRACTED = _set(
    "i'm i've i'd i'll you're you've you'd you'll we're we've we'd we'll they're they've they'd they'll "
    "he's he'd he'll she's she'd she'll it's it'd it'll that's that'd that'll there's there're what's "
    "who's where's let's"
)

# Subjects: a verb follows, unless one was before, as in "so do I" and "are they": `EN_AUXILIARIES`.
EN_SUBJECTS = _set("i we they he she")
EN_AUXILIARIES = _set(
    "am are is was were do does did have has had can could shall should will would may might must and than"
)

# Forms of "be" that lack what the subject is, unless one of `EN_BEFORE_LAST_BE` stands before, as in "yes it
# is" and "so are they": see `completeness._lacks_complement`.
EN_BE = _set("is are was were")
EN_BEFORE_LAST_BE = _set(
    "it that this these those he she they we you i there here who what which one so not yes no than as"
)

# Hesitation. They are "filled pauses": who makes one means to go on (Clark and Fox Tree, 2002, "Using uh
# and um in spontaneous speaking").
EN_FILLERS = _set("uh um uhm umm uhh er erm hmm hm ah eh basically")
EN_FILLER_PHRASES = tuple(
    text.split()
    for text in (
        "you know",
        "i mean",
        "sort of",
        "kind of",
        "let me see",
        "lets see",
        "let me think",
        "hold on",
        "hang on",
        "and then",
        "and so",
        "so then",
        "and well",
        "but then",
        "and like",
        "or like",
        "was like",
        "such as",
        "as well as",
        "in order to",
        "due to",
        "because of",
        "even if",
        "as if",
        "so that",
        "i think that",
        "i said that",
        "the one that",
    )
)

# The whole of a clause so far, perhaps behind "and", "so" or "please": a subject, and a verb that wants an
# object or a clause. Behind other words they may be last: "it is five, I think", "all I need".
EN_BEGINNINGS = frozenset(
    tuple(text.split())
    for text in (
        "i want",
        "i need",
        "i think",
        "i would like",
        "id like",
        "we want",
        "we need",
        "i was wondering",
        "i was thinking",
        "my name is",
        "the thing is",
        "the problem is",
        "do you",
        "can you",
        "could you",
        "would you",
        "will you",
        "are you",
        "can i",
        "could i",
        "may i",
        "should i",
        "is there",
        "are there",
    )
)
# What may stand before such a beginning.
EN_OPENERS = _set("and but or so because well okay ok yes no yeah hi hello hey please if then also oh")

# With one of these before it, a preposition may be stranded: "nothing to worry about", too.
EN_QUESTION_WORDS = _set("what who whom whose which where when why how whats whos wheres hows")
EN_STRANDING = EN_QUESTION_WORDS | _set(
    "nothing something anything everything someone somebody anyone lot much"
)
EN_NEGATIONS = _set("not dont didnt doesnt wont wouldnt never cant couldnt shouldnt")

# A sentence in which one of these comes first, or comes first behind a question word, is a question, whether
# or not it has a mark: "when is it", but not "when I was young". Three words at least: "is it" may go on.
EN_VERBS_OF_QUESTIONS = _set(
    "is are am was were do does did can could will would should shall may have has isnt arent dont doesnt "
    "didnt cant couldnt wont wouldnt shouldnt whats whos wheres hows"
)
EN_SUBJECTS_BEFORE_VERBS = EN_SUBJECTS | _set(
    "you it the a an my your his her our their this that these those there im ive id youre its"
)

# What is said last. Not "now", "today": "today I…".
EN_LAST = tuple(
    text.split()
    for text in (
        "please",
        "thanks",
        "thank you",
        "thank you very much",
        "thanks a lot",
        "goodbye",
        "bye",
        "good night",
        "thats all",
        "thats it",
        "right now",
        "or not",
        "over and out",
        "never mind",
    )
)

# --- Chinese, by their characters; the longest ending that is in a list decides ---

ZH_UNFINISHED = (
    # Conjunctions and what introduces a clause.
    _set(
        "和 跟 与 及 或 或者 但 但是 可是 不过 因为 所以 如果 要是 假如 而且 并且 然后 虽然 即使 以及 "
        "于是 接着 还有 另外 比如 例如 比如说 特别是 尤其是 包括 除了 关于 对于 为了 根据 通过 由于 按照 "
        "只要 只有 不但 不仅 无论 不管 既然 就算 要么"
    )
    # A subordinate clause, before the main one.
    | _set("的话 的时候 之前我 之后我 以后我")
    # Prepositions (coverbs). Not 给, 在, 到, 对: all are verbs as well, and 对 is "yes".
    | _set("把 被 从 向 往 比 替 让 叫")
    # Subject and a verb that wants an object. 我想要 too; not 你要, which may be a question.
    | _set(
        "我想 我要 我想要 我觉得 我认为 我希望 我需要 我是 他是 她是 这是 那是 就是 我叫 他说 她说 我说 "
        "请问 麻烦你 能不能 可不可以 有没有 是不是 要不要 帮我 给我 告诉我"
    )
    # Fillers. 那个 and 这个 are also objects (我要那个), so only after 就是 or a pause.
    | _set("嗯 呃 额 唔 就是那个 就是这个 就是说 怎么说呢 我看看 让我想想 我想想 等一下 等等")
    # Measure words and numbers that a noun follows are often last (给我一个), and so are not here.
)
ZH_FILLER_ALONE = _set("那个 这个 那 这 那么 就 其实")

# Particles at the end of a sentence; 吗, 呢, 吧 ask. Not every 了: 我买了 wants an object.
ZH_FINISHED = _set(
    "吗 呢 吧 呀 嘛 啦 喽 好了 算了 完了 行了 够了 谢谢 谢谢你 再见 拜拜 没有了 就这样 是什么 为什么 "
    "怎么办 在哪里 在哪儿 多少钱 几点"
)

# --- Japanese ---

JA_UNFINISHED = (
    # Particles of case and topic: a noun before them is no sentence. Not の (a question), よ, ね, か.
    _set("が を に へ と は も や から まで より など とか って という")
    # Conjunctive particles and forms: a clause follows. から after a verb is in `JA_EITHER`.
    | _set(
        "て で ので のに けど けれど けれども たら れば なら ながら たり だし ですし ますし いし ても "
        "でも んだけど ですが ますが のですが んですけど ですけど ますけど"
    )
    # Conjunctions.
    | _set(
        "そして それで それから だから でも しかし ところが あと また または それとも つまり 例えば "
        "たとえば もし"
    )
    # Fillers (Corpus of Spontaneous Japanese, tag F).
    | _set(
        "えー えーと えーっと えっと ええと ええっと あの あのー あのう その そのー まあ なんか うーん "
        "んー うんと"
    )
)

# Polite and plain endings, final particles, and requests in the te-form.
JA_FINISHED = _set(
    "です ます ました でした ません ませんか でしょう でしょうか ましょう ましょうか ください 下さい "
    "ですか ますか ましたか ですね ますね ですよ ますよ だよ だね かな かしら なさい ちょうだい お願い "
    "おねがい お願いします ありがとう さようなら おやすみ だろう よね なの のか たい たいな ないよ 待って "
    "教えて 助けて やめて 止めて 聞いて 見て 来て 歌って 話して こんにちは こんばんは なに なんで"
)

# May be last, and may go on: a verb with から, a polite request that trails off, short answers.
JA_EITHER = _set(
    "ですから ますから だから たから ないから いたいのですが たいんですけど それは では ちょっと もっと "
    "きっと ずっと いや どうも"
)
