"""Backchannels, and what sounds like them but asks for the turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.text.backchannels import is_backchannel

# Also where the character has just asked something: nothing is said.
NOISES = """
uh
Um…
uhhh, um
hmm
Hmmmm.
mmm
ah
ahem
[cough]
(coughing)
*coughs*
[BLANK_AUDIO]
♪
<noise>
haha
Ha ha ha!
[laughs] hm
...
呃
额，呃
咳咳
哈哈哈
えーと
えっと…
うーん
あー
ゴホゴホ
あははは
"""

CONTINUERS = """
uh-huh
Uh huh.
uh-huh, uh-huh
mm-hm
mhm
Mm-hmm.
MM HM
yeah
Yeah, yeah.
yeah yeah yeah
yep
oh
Oh, okay.
ok
right
i see
I see, I see
oh really
wow
aha
got it
um, yeah
[cough] uh-huh
嗯
嗯嗯
嗯，嗯。
哦
对对对
对啊
是吗
是啊
哦，这样啊
明白
うん
うんうん
うん、うん。
はい
はいはい
へえ
へー、そうなんだ
そうですね
なるほど
なるほどね
ああ、そうですか
ほんと
"""

SPEECH = """
yes
Yes.
no
No, no.
nope
stop
Stop!
wait
okay stop
uh stop
uh-huh but what about me
yeah but
yeah I know that one
um what
what
why
hello
hey Iris
i see a dog
right now
okay google
uh-uh
Uh uh.
mm-mm
nuh-uh
yeah yeah yeah yeah yeah
yeahs
hmmmm what
thank you
please
[cough] stop it
是
是的
不
不是
不对
停
等一下
好
嗯，停
对不起
我对
哦不
ううん
いいえ
いや
やめて
ストップ
はいどうぞ
うん、でもね
はい、分かりました
そうじゃない
ちょっと待って
"""


def lines(text: str) -> list[str]:
    """One utterance a line."""
    return text.strip().splitlines()


@pytest.mark.parametrize("text", lines(NOISES))
@pytest.mark.parametrize("asked", [False, True])
def test_noises_are_never_an_interruption(text: str, asked: bool) -> None:
    """Whatever was asked, a cough is no answer."""
    assert is_backchannel(text, asked=asked)


@pytest.mark.parametrize("text", lines(CONTINUERS))
def test_who_says_so_goes_on_listening(text: str) -> None:
    """But not to a question: that is answered by it."""
    assert is_backchannel(text)
    assert not is_backchannel(text, asked=True)


@pytest.mark.parametrize("text", lines(SPEECH))
@pytest.mark.parametrize("asked", [False, True])
def test_answers_and_orders_interrupt(text: str, asked: bool) -> None:
    """Also those that many say in passing, and those that begin like a backchannel."""
    assert not is_backchannel(text, asked=asked)


def test_nothing_understood_is_nothing_said() -> None:
    """An empty transcript stops nobody."""
    assert is_backchannel("")
    assert is_backchannel("  ", asked=True)


@given(st.text(), st.booleans())
def test_any_text_has_an_answer(text: str, asked: bool) -> None:
    """And where it is a backchannel to a question, it is one to a statement."""
    assert is_backchannel(text, asked=True) <= is_backchannel(text, asked=False)
