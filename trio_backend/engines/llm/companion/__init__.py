"""The rule machine behind the scripted companion. Pure: it is fed a prompt and gives a text.

The algorithm is that of ELIZA (Joseph Weizenbaum, "ELIZA: a computer program for the study of
natural language communication between man and machine", Communications of the ACM 9(1), 1966):
keywords with ranks choose a rule, the rule takes the sentence apart and puts a reply together,
pronouns are turned round, and what was said earlier is brought up when no rule fits. Added to it
are facts that are kept by kind, questions of the companion's own that know their answers, and a
choice among variants that looks at what was said already.

nodes.py, reading.py, rule_reading.py   YAML → rules, errors with line numbers
rules.py                                a rules file as frozen values
talk.py                                 what is read of a prompt
words.py, patterns.py                   text → clauses → what fits, in linear time
signals.py, sums.py                     what else is noticed of a message
notebook.py                             what the user told so far
matching.py                             which rules fit, and what they may say
choice.py, templates.py                 which variant is said, and how
answer.py                               the reply, put together
"""
