"""What `init` says in English."""

from __future__ import annotations

from .texts import AskedTexts, CharacterTexts, CommentTexts, SetupTexts, ToldTexts

TEXTS = SetupTexts(
    title="English",
    asked=AskedTexts(
        intro="Five questions, then {folder} has a character to talk with.\n"
        "Enter takes what stands in [brackets]. Ctrl-C stops, and nothing is written.",
        of_five="{number} of 5",
        language="Which language?",
        language_help="Of these questions, of the comments in the files, and of the voice.",
        name="What is the character called?",
        name_help="Its name is shown beside what it says. You can change it later.",
        name_wrong="A name has 1 to {most} letters, and no line breaks or control characters.",
        model="Which model answers, and which voice speaks?",
        model_help="The built-in ones need nothing. Better ones run in programs of their own.",
        looked="What runs on {host}:",
        outcomes={
            "closed": "nothing answers",
            "other": "something else answers",
            "locked": "wants a key; set it in conf.yaml later",
            "silent": "accepts, but does not answer within a second",
        },
        found_models="models: {count}",
        found_voices="voices: {count}",
        found_recognisers="recognisers: {count}",
        found_nothing="answers, but has no model; get one first",
        needs_recording="answers; it imitates a recording, which you name in conf.yaml later",
        model_menu="Model",
        voice_menu="Voice",
        microphone="What understands what you say into the microphone?",
        microphone_help="The page's microphone is off until you switch it on. Typing always works.",
        listening="When does it answer?",
        always="everything that it hears while the microphone is on",
        by_name="only after its name, “{name}”; then it sleeps again",
        connect="Who may connect?",
        connect_help="Others need a link with an access_token, which is made for you.",
        this_machine="this machine only",
        network="my network: phones and other computers too",
        options={
            "companion": "built in: answers from written rules; no model, no download",
            "espeak": "built in: sounds like a robot, but at once",
            "edge": "Microsoft's voices: free, but over the internet",
            "none": "no voice: the character writes",
            "embedded": "built in: English only; good for short phrases, poor at free speech",
            "faster-whisper": "installed: downloads a model of 0.5 GB when it is first used",
        },
        on_host="{title}, on {host}",
        service="a service with an account and a key",
        which_service="Which service?",
        which_model="Name of the model, as {service} calls it",
        key="Key of {service} (not shown; it goes into conf.yaml, which only you can read).\n"
        "Enter alone: choose something else. The variable {variable} would be used, too",
        key_found="The key is read from the variable {variable} whenever the server starts.",
        key_wrong="No key looks like that.",
        choose="Type a number from 1 to {most}, or a name as --help has it.",
        more="{source} has {count} more; type a name as {source}:NAME.",
        not_offered="Not there: {source}: {remedy}",
        port_taken="Port {taken} is in use. This server gets {port}.",
        start="Start the server now?",
        stopped="Stopped. Nothing was written.",
    ),
    told=ToldTexts(
        written="Written to {folder}:",
        kept="The old file is now {old}.",
        secret="only you can read it: it holds a key or the access_token",
        checked="Checked, as `trio-backend check` does:",
        wrong="The files stay, so that you can correct them. Nothing was started.",
        next_steps="Next:",
        start="start",
        talk="talk in a second terminal",
        change="after a change",
        engines="more models and voices",
        network="On other devices open http://ADDRESS:{port}/?token=TOKEN, with the access_token of "
        "conf.yaml.\n"
        "Their browsers lend the microphone to HTTPS pages only: `trio-backend serve --https`.",
        no_local_model="No model runs here. With Ollama (https://ollama.com), `ollama pull MODEL` "
        "gets one;\n"
        "then `trio-backend init --force` offers it.",
        embedded_hearing="The built-in recogniser understands English only, and poorly. "
        "`trio-backend download sense-voice`\n"
        "gets a better one, and says what is left to do.",
    ),
    comments=CommentTexts(
        server_top="The server, and what all characters share. The character is in "
        "characters/{character}.\n"
        "Change a line, save, and try:",
        check="what is wrong, and how to put it right",
        start="start; Ctrl-C ends it",
        engines="all models, voices and recognisers, and what is missing for each",
        speak="hear the voice",
        variables="${NAME} in a value stands for an environment variable; ${NAME:-something} has a default.",
        host="127.0.0.1: this machine only; 0.0.0.0: the network, too (then set access_token)",
        port="the page is at http://127.0.0.1:{port}",
        first="the file in characters/ that people meet first",
        token="others open http://ADDRESS:{port}/?token=…",
        no_token="what others must know to connect: any long word",
        prompts="Files in prompts/utils that follow the persona in what a language model reads.",
        all_characters="Each of these may stand in a character's file, too, and counts there for that one.",
        human="what you are called",
        model="the model that answers; one of the names below",
        other_model="Another one, for the day when you want it: set llm_provider to its name.",
        faster="the first sentence may be cut at a comma, to sound sooner",
        key_here="Keep this file to yourself: it holds a key.",
        key_elsewhere="the variable {variable} must be set when the server starts",
        base_url="where it listens",
        voice="the voice; one of the names below",
        voice_value="Another voice: see `trio-backend speak --help`.",
        fallback="A list is a fallback: [openai_tts, espeak_tts] speaks with the second while the "
        "first fails.",
        hearing="what understands speech",
        embedded_hearing="Not named: the built-in recogniser is loaded when somebody first speaks.\n"
        "It understands English only. A better one: `trio-backend download sense-voice`.",
        character_top="Your character. What is not here is taken from conf.yaml. For a second one, "
        "copy this file\n"
        "within characters/, and give the copy its own conf_name and conf_uid: the page lists it at once.",
        conf_name="its name in the list of characters",
        uid="its conversations are kept under this name: unique, and never changed",
        character_name="its name beside what it says",
        face="iris, barnaby, mia or kito: an entry of model_dict.json",
        avatar="a file in avatars/",
        persona="Who it is, for a language model. The built-in companion reads its manner instead.",
        manner="warm, dry, brief or cheerful",
        own_voice="A voice of its own, instead of that in conf.yaml:",
        wake="It sleeps until somebody says one of these words.",
        wake_off="true: it sleeps until somebody says one of these words",
        idle="it falls asleep after so many seconds without a word",
    ),
    character=CharacterTexts(
        name="Iris",
        face="iris",
        manner="cheerful",
        human_name="You",
        persona="You are {name}, a cheerful companion who lives on somebody's desk.\n"
        "You are curious about people, quick to laugh, and you remember what you are told.\n"
        "You speak in short, lively sentences, as people do when they talk, and you ask back\n"
        "more often than you explain.",
        hey="hey {name}",
        end_words=("go to sleep", "good night"),
        greeting="Yes?",
        farewell="See you later.",
    ),
)
