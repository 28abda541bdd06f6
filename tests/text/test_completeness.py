"""Complete or not: utterances in three languages, as recognisers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.text.completeness import LONGEST_LOOKED_AT, Completeness, completeness

FINISHED = """
how many people are there
what's the time now
which one do you like
when is the next train
who's coming to dinner
こんにちは
なんで
What time is it?
what time is it
what time is it now
where are you from?
Where is the station
how old are you
can you tell me a story
could you turn on the light
do you like music
is it going to rain tomorrow
Are they coming?
who are you talking about?
why did you say that
Tell me a story.
I would like to order a pizza.
I think so.
i would like a coffee please
yes please
no thanks
thank you
okay thank you very much
goodbye
that's all
That's it.
Turn it on.
Stop!
I don't know.
uh what time is it
so how does it work
he said no. what do you think
Where does it come from?
Ist das gut?
¿Cómo estás?
C'est très bien.
잘 지내요?
你好吗？
你好吗
你叫什么名字呢
我们走吧
算了
今天天气怎么样？
我想要一杯咖啡。
谢谢
谢谢你
这是什么
你为什么
再见
那个多少钱
现在几点
没有了
我不知道。
今日は天気がいいですね
今日は天気がいいです
何時ですか
何時ですか？
コーヒーをください
それはだめだよ
明日は雨かな
どこに行きましたか
よくわかりません
一緒に行きましょう
物語を話して
ちょっと待って
ありがとう
そうなの
行きたい
お願いします
わかった。
疲れた。
"""

UNKNOWN = """
when i was young
where i come from
how the sea was made
what the cat saw
it is five i think
that's all i need
kind of
i don't want to
there is nothing to worry about
that's the cause
我吃了
我在
もっと
いや
yes
no
hello
i have a dog
tell me a story
turn it on
come in
put it on
that's what i was looking for
i don't know who you are talking to
i like her
i like this
room number 42
i am twenty five
it starts at 5 30
the year was 1984
my number is 555 123 4567
my phone number is 0 9 0 1 2 3 4 5 6 7 8
yes i am
nice though
okay then
and so do i
plan b
is it
what
yes it is
i know what it is
that is where the station is
where the station is
she is as tall as my brother is
i wonder whether the shop is
so are they
the shop
Ich rufe dich an später
c'est très
привет
안녕하세요
สวัสดี
12
...
你好
对
我要这个
给我一个
那是我的
他在家
今天很热
二十五
我的电话是13800138000
はい
いいえ
うん
寿司
それは
疲れたから
行きたいんですけど
いちご
"""

UNFINISHED = """
the name of the street is
i think my favourite film is
let me see the answer is
what i really wanted to ask is
the reasons for my choice were
so i think
yes please i would like
hi my name is
okay can you
when i was a
what is the
i want to talk about
da steht es ist schön weil,
私は学生だし
i would like to order and
I'd like to order, and…
I'd like to order, and
I'd like to order and.
i would like to order a
I would like to order the.
i want to go to
i want to go to the
my favorite color is a
because
it was raining but
i was late because
i will come if
tell me when you come or
i went with
a story about
this is for
he lives at
give me some of
it is more expensive than
i'm
i think i'm
well i've
he said that it's
You're
there's
let's
i'm gonna
i wanna
tell me about my
i have your
every
uh
um
hmm
I was uh
I was, um,
it is basically
and then i
because we
if they
i
I was thinking, you know
it's i mean
it was sort of
let me see
hold on
and then
and so
fruits such as
i want
i need
i would like
I'd like
i was wondering
my name is
can you
could you
do you
well
so
but like
and well
tell me a story about a dragon,
I would like...
I would like…
well—
the reason is:
Je voudrais,
quiero…
john at gmail dot com and
i like apples and/or
What do you think of the
我想
我想要
我要买苹果和
我想去北京，但是
因为
如果明天下雨的话
我小的时候
我觉得
嗯
就是
就是那个
那个
这个
然后
我喜欢苹果，还有
请问
我把
他从
你能不能
是不是
关于
比如说
让我想想
怎么说呢
你好，嗯
呃
我叫
私は
私が
コーヒーを
東京へ
友達と
学校に行って
雨が降ったら
時間があれば
行きたいけど
忙しいので
それですが
東京に住んでいますが
えーと
えっと
ええと
あの
あのー
うーん
なんか
それから
例えば
ご飯を食べながら
そして
もし
東京から
でも
"""

SPELLING = """
five five five
my number is five five five one
it's 5 5 5
my number is 555 123
my phone number is 555
my cell phone is 0 7
the code is 4 8
5 5 5 1 2
555-1234
zero seven seven double four
oh seven nine
J O H N
my name is J O
it is spelled j o
j-o-h-n
my zip is 9 0 2
one two three
我的电话是138
我的号码是一三八
一三八零零
幺三八
验证码是 4 8
1 3 8 0 0
電話番号は090
電話番号はゼロきゅうゼロ
090 1234
番号は 1 2
ゼロ いち に さん
"""

TABLE = [
    (line, expected)
    for expected, lines in (
        (Completeness.FINISHED, FINISHED),
        (Completeness.UNKNOWN, UNKNOWN),
        (Completeness.UNFINISHED, UNFINISHED),
        (Completeness.SPELLING, SPELLING),
    )
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_what_an_utterance_says_about_its_end(text: str, expected: Completeness) -> None:
    """The table; it has more than 150 utterances."""
    assert completeness(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [line for line in TABLE if line[0].isascii()], ids=lambda value: str(value)
)
def test_case_and_space_do_not_matter(text: str, expected: Completeness) -> None:
    """Some recognisers write capitals, as CMU's do."""
    assert completeness(f"  {text.upper()}\n") is expected


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    """Nothing that a recogniser may write is an error."""
    assert completeness(text) in Completeness


@given(st.text(alphabet="ab 5.,?é我がu'", max_size=20), st.integers(0, 3))
def test_only_the_end_of_a_long_text_is_looked_at(end: str, words: int) -> None:
    """What somebody said a minute ago costs no time now."""
    begin = "word " * (LONGEST_LOOKED_AT + words)
    assert completeness(begin + "é" * LONGEST_LOOKED_AT + end) is completeness("é" * LONGEST_LOOKED_AT + end)


def test_the_table_is_long_enough() -> None:
    """It was asked to have 150, in three languages."""
    assert len(TABLE) >= 150
    assert sum(any("\u3040" <= letter <= "\u30ff" for letter in text) for text, _ in TABLE) >= 40
