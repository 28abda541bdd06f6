"""What `init` says in Japanese."""

from __future__ import annotations

from .texts import AskedTexts, CharacterTexts, CommentTexts, SetupTexts, ToldTexts

TEXTS = SetupTexts(
    title="日本語",
    asked=AskedTexts(
        intro="五つの質問に答えると、{folder} に話せるキャラクターができます。\n"
        "Enter で [ ] の中のものになります。Ctrl-C でやめると、何も書き込みません。",
        of_five="5 問中 {number} 問目",
        language="どの言語にしますか。",
        language_help="この質問、ファイルの中の説明、キャラクターの声の言語です。",
        name="キャラクターの名前は何ですか。",
        name_help="話したことの横に出る名前です。あとで変えられます。",
        name_wrong="名前は 1 から {most} 文字です。改行や制御文字は使えません。",
        model="どのモデルが答え、どの声で話しますか。",
        model_help="内蔵のものは何もいりません。もっとよいものは、別のプログラムで動きます。",
        looked="{host} で動いているもの：",
        outcomes={
            "closed": "応答がありません",
            "other": "別のものが応答します",
            "locked": "キーが必要です。あとで conf.yaml に書けます",
            "silent": "つながりますが、1 秒以内に答えません",
        },
        found_models="モデル {count} 個",
        found_voices="声 {count} 個",
        found_recognisers="音声認識モデル {count} 個",
        found_nothing="応答しますが、モデルがありません。先に入れてください",
        needs_recording="応答します。録音をまねるので、あとで conf.yaml に録音を書きます",
        model_menu="モデル",
        voice_menu="声",
        microphone="マイクに話したことを、何が聞き取りますか。",
        microphone_help="ページのマイクは、オンにするまで切れています。文字はいつでも打てます。",
        listening="いつ答えますか。",
        always="マイクがオンのあいだ、聞こえたことすべてに",
        by_name="名前「{name}」を呼ばれたときだけ。そのあとまた眠ります",
        connect="だれが接続できますか。",
        connect_help="ほかの機器は access_token の付いたリンクで入ります。自動で作ります。",
        this_machine="このコンピューターだけ",
        network="自分のネットワーク：スマートフォンやほかのコンピューターも",
        options={
            "companion": "内蔵：書かれた規則で答えます。モデルもダウンロードもいりません",
            "espeak": "内蔵：ロボットのような声ですが、すぐに話せます",
            "edge": "Microsoft の声：無料ですが、インターネットを使います",
            "none": "声なし：文字だけで答えます",
            "embedded": "内蔵：英語だけ。短い言葉は聞き取れますが、自由な会話は苦手です",
            "faster-whisper": "導入済み：初めて使うときに 0.5 GB のモデルを取り寄せます",
        },
        on_host="{title}（{host}）",
        service="アカウントとキーのいるサービス",
        which_service="どのサービスですか。",
        which_model="モデルの名前（{service} での呼び名）",
        key="{service} のキー（表示しません。あなただけが読める conf.yaml に書きます）。\n"
        "Enter だけなら選び直します。環境変数 {variable} でもかまいません",
        key_found="サーバーを始めるたびに、環境変数 {variable} からキーを読みます。",
        key_wrong="そのようなキーはありません。",
        choose="1 から {most} の番号か、--help にある名前を打ってください。",
        more="{source} にはあと {count} 個あります。{source}:名前 と打てます。",
        not_offered="ここにはありません：{source}：{remedy}",
        port_taken="ポート {taken} は使われています。このサーバーは {port} にします。",
        start="いまサーバーを始めますか。",
        stopped="やめました。何も書き込んでいません。",
    ),
    told=ToldTexts(
        written="{folder} に書きました：",
        kept="前のファイルは {old} になりました。",
        secret="読めるのはあなただけです：キーか access_token が入っています",
        checked="確かめた結果（`trio-backend check` と同じ）：",
        wrong="ファイルは残してあります。直してください。サーバーは始めていません。",
        next_steps="次にすること：",
        start="始める",
        talk="別の端末で話す",
        change="変えたあとで",
        engines="ほかのモデルと声",
        network="ほかの機器では http://アドレス:{port}/?token=トークン を開きます（conf.yaml の "
        "access_token）。\n"
        "そのブラウザーがマイクを使わせるのは HTTPS のページだけです：`trio-backend serve --https`。",
        no_local_model="ここではモデルが動いていません。Ollama（https://ollama.com）を入れて "
        "`ollama pull モデル名` で\n"
        "取り寄せ、もう一度 `trio-backend init --force` を実行すると選べます。",
        embedded_hearing="内蔵の音声認識は英語だけで、あまり得意ではありません。\n"
        "`trio-backend download sense-voice` でもっとよいものを入れられます。",
    ),
    comments=CommentTexts(
        server_top="サーバーと、すべてのキャラクターに共通の設定。キャラクターは "
        "characters/{character} にあります。\n"
        "一行変えて保存し、試してください：",
        check="何がまちがっていて、どう直すか",
        start="始める。Ctrl-C で終わる",
        engines="すべてのモデル、声、音声認識と、足りないもの",
        speak="声を聞く",
        variables="値の中の ${NAME} は環境変数。${NAME:-something} には既定値がある。",
        host="127.0.0.1：この機械だけ。0.0.0.0：ネットワークからも（access_token も書く）",
        port="ページは http://127.0.0.1:{port}",
        first="最初に会うキャラクターの、characters/ の中のファイル",
        token="ほかの機器では http://アドレス:{port}/?token=… を開く",
        no_token="接続する人が知っているべき言葉。長ければ何でもよい",
        prompts="言語モデルが人物設定のあとに読む、prompts/utils の中のファイル。",
        all_characters="どれもキャラクターのファイルに書くことができ、そこではそのキャラクターだけに効く。",
        human="あなたの呼び名",
        model="答えるモデル。下の名前のどれか",
        other_model="ほかのモデルにしたくなったら、llm_provider をその名前にする。",
        faster="早く声が出るように、最初の文を読点で切ってもよい",
        key_here="このファイルを人に渡さないこと：キーが入っている。",
        key_elsewhere="サーバーを始めるとき、環境変数 {variable} が必要",
        base_url="待ち受けている場所",
        voice="声。下の名前のどれか",
        voice_value="ほかの声：`trio-backend speak --help` を参照。",
        fallback="並べると控えになる：[openai_tts, espeak_tts] は、前が失敗するあいだ後で話す。",
        hearing="話し言葉を聞き取るもの",
        embedded_hearing="名前がなければ、だれかが初めて話すときに内蔵の音声認識を読み込む。\n"
        "英語だけ。もっとよいもの：`trio-backend download sense-voice`。",
        character_top="あなたのキャラクター。ここにないものは conf.yaml から取る。"
        "二人目がほしければ、characters/ の中で\n"
        "このファイルを写し、写しに別の conf_name と conf_uid を付ける。ページにすぐ出る。",
        conf_name="キャラクターの一覧での名前",
        uid="会話はこの名前で残る。重ならず、変えないこと",
        character_name="話したことの横に出る名前",
        face="iris、barnaby、mia、kito のどれか：model_dict.json の項目",
        avatar="avatars/ の中のファイル",
        persona="どんな人物か。言語モデルが読む。内蔵のものは、代わりに manner を見る。",
        manner="warm、dry、brief、cheerful のどれか",
        own_voice="conf.yaml の代わりに、このキャラクターの声：",
        wake="この言葉のどれかを言われるまで眠っている。",
        wake_off="true：この言葉のどれかを言われるまで眠る",
        idle="この秒数だれも話さなければ眠る",
    ),
    character=CharacterTexts(
        name="ひな",
        face="mia",
        manner="warm",
        human_name="あなた",
        persona="あなたは{name}、やさしくて聞き上手な友だちです。まずよく聞いて、"
        "それからゆっくり話します。\n"
        "人が話した小さなことを覚えていて、悲しいときにはそっとそばにいます。\n"
        "短く自然な話し言葉で、一度に一文から三文で答えてください。相手の言語で話してください。",
        hey="ねえ{name}",
        end_words=("おやすみ", "もう寝て"),
        greeting="はい。",
        farewell="またね。",
    ),
)
