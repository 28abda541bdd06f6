"""The rule machine behind the scripted companion. Pure: it is fed a prompt and gives a text.

The algorithm is that of ELIZA (Joseph Weizenbaum, "ELIZA: a computer program for the study of
natural language communication between man and machine", Communications of the ACM 9(1), 1966):
keywords with ranks choose a rule, the rule takes the sentence apart and puts a reply together,
pronouns are turned round, and what was said earlier is brought up when no rule fits. Added to it
are facts that are kept by kind, questions of the companion's own that know their answers, and a
choice among variants that looks at what was said already.

words.py      text → clauses of words
patterns.py   clauses → what fits, in linear time
templates.py  what fits → replies
rules.py      the rules file as frozen values
reading.py    YAML → those values, errors with line numbers
talk.py       what is read of a prompt
signals.py    what is noticed of a message besides its words
notebook.py   what the user told so far
answer.py     the machine
"""
