"""The words by which mail programs mark quotes, forwards and signatures, in the languages they speak.

Data only. Sources: the marks that Gmail, Outlook, Apple Mail, Thunderbird, Yahoo, Lotus Notes and mobile clients
write in each locale, as seen in the reply corpora.
"""

from __future__ import annotations

import re

FROM = frozenset({
    "from", "von", "de", "da", "van", "fra", "från", "od", "от", "від", "寄件者", "发件人", "寄件人", "發件人",
    "差出人",
    "送信者", "보낸 사람", "lähettäjä", "kimden", "feladó", "expéditeur", "remitente", "mittente", "afzender",
    "nadawca",
    "odesílatel", "odosielateľ", "отправитель", "от кого", "gönderen", "από", "de la", "remetente", "afsender",
    "avsändare", "avsender", "absender", "reply-from",
})
SENT = frozenset({
    "sent", "date", "gesendet", "datum", "envoyé", "enviado", "enviado el", "enviada em", "enviado em", "inviato",
    "verzonden", "verstuurd", "sendt", "skickat", "dato", "data", "fecha", "wysłano", "wysłane", "odesláno", "odoslané",
    "отправлено", "дата", "надіслано", "送信日時", "日時", "日付", "发送时间", "發送時間", "寄件日期", "日期", "时间",
    "보낸 날짜", "날짜", "lähetetty", "päivämäärä", "päiväys", "gönderildi", "tarih", "küldve", "dátum", "dátum:",
    "message du", "message of", "trimis", "envoyé le", "date d'envoi", "ημερομηνία", "gesendet am", "sent on",
    "sent at", "datum/zeit",
})
TO = frozenset({
    "to", "an", "à", "a", "para", "per", "aan", "til", "till", "do", "komu", "кому", "宛先", "收件人", "收件者",
    "받는 사람",
    "vastaanottaja", "kime", "címzett", "destinataire", "destinatario", "destinatário", "pro", "pre", "kopie an",
    "către", "προς", "cc", "kopie", "kopia", "copie", "copia", "kopi", "копия", "抄送", "副本", "참조", "dw", "bcc",
})
SUBJECT = frozenset({
    "subject", "betreff", "objet", "asunto", "oggetto", "onderwerp", "assunto", "emne", "ämne", "temat", "předmět",
    "predmet", "тема", "件名", "主题", "主旨", "主題", "제목", "aihe", "konu", "tárgy", "subiect", "θέμα", "re",
    "sujet",
})

ORIGINAL = (
    "original message", "original-nachricht", "ursprüngliche nachricht", "ursprungliche nachricht", "originalnachricht",
    "message d'origine", "message d’origine", "message original", "mensaje original", "messaggio originale",
    "mensagem original", "original meddelande", "originalt meddelande", "ursprungligt meddelande",
    "oprindelig meddelelse",
    "oprindelig besked", "opprinnelig melding", "oorspronkelijk bericht", "wiadomość oryginalna",
    "oryginalna wiadomość",
    "původní zpráva", "původní e-mail", "puvodni zprava", "исходное сообщение", "alkuperäinen viesti", "eredeti üzenet",
    "özgün ileti", "orijinal mesaj", "mesaj original", "mesajul original", "原始邮件", "原始郵件", "原邮件",
    "元のメッセージ",
    "オリジナルメッセージ", "원본 메시지", "original appointment", "reply message", "original e-mail", "original email",
    "originalmeldung", "ursprünglicher termin", "reply above this line", "ваш исходный", "pôvodná správa",
    "оригінальне повідомлення", "původní schůzka", "rendez-vous d'origine",
)
FORWARDED = (
    "forwarded message", "forwarded by", "forwarded mail", "forwarded email", "forwarded e-mail", "begin forwarded",
    "weitergeleitete nachricht", "weitergeleitete e-mail", "weitergeleiteten nachricht", "weitergeleiteten e-mail",
    "weitergeleitet von", "message transféré", "message transmis", "courriel transféré", "message réexpédié",
    "mensaje reenviado", "correo reenviado", "messaggio inoltrato", "inoltrato da", "mensagem encaminhada",
    "mensagem reencaminhada", "doorgestuurd bericht", "videresendt besked", "videresendt meddelelse",
    "videresendt melding",
    "videresendt e-mail", "videresendte meldingen", "videresendte meddelelse", "vidarebefordrat meddelande",
    "vidarebefordrat brev", "vidarebefordrade", "wiadomość przekazana", "przekazana wiadomość",
    "przekazywanej wiadomości",
    "przesłana dalej", "přeposlaná zpráva", "přeposlané zprávy", "předaná zpráva", "preposlaná správa",
    "пересылаемое сообщение", "пересланное сообщение", "пересланное письмо", "перенаправленное сообщение",
    "переадресованного сообщения", "переадресованное сообщение", "переслане повідомлення", "välitetty viesti",
    "edelleenlähetetty", "továbbított üzenet", "iletilmiş ileti", "iletilen", "転送メッセージ",
    "転送されたメッセージ", "転送メール",
    "転送されたメール", "转发邮件", "转发的邮件", "轉寄郵件", "转发的消息", "轉寄的郵件", "已转发邮件",
    "전달된 메시지", "mesaj redirecționat",
)
FORWARD_SUBJECT = re.compile(
    r"^\s*\[?(?:fwd?|wg|tr|rv|enc|i|inoltra|doorst|vl|vb|pd|fs|videresendt|továbbítás|hl|ilt|转发|轉寄|轉發|転送|"
    r"전달|пересл|"
    r"перес|fwd\.|tr\.)\s*[:：]", re.I)

VERBS = (
    "wrote", "writes", "schrieb", "schreibt", "geschrieben", "écrit", "escribió", "escribio", "ha scritto", "scrive",
    "scrisse", "schreef", "geschreven", "escreveu", "skrev", "skriver", "napisał", "napisal", "napsal", "píše",
    "napísal",
    "пишет", "пише", "написал", "написав", "писал", "kirjoitti", "írta", "yazdı", "a scris", " said",
    "sent the following",
    "following message", "写道", "寫道", "写到", "님이 작성", "のメール", "が書きました", "は書きました",
    "からのメッセージ", "כתב", "كتب", "έγραψε",
    "đã viết",
)

ATTRIBUTION_START = re.compile(
    r"^[\s>*_-]*(?:(?:on|le|am|el|il|em|op|den|w dniu|dnia|dne|dňa|pe|pá|ma|at|in a message|in article|il giorno|a|"
    r"in data|"
    r"quoting|zitat von|no dia|tir|man|ons|tor|fre|lør|søn|ti|ke|to|la|su|vào|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|пн|вт|ср|чт|пт|сб|вс|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|po|út|st|"
    r"čt|pá|"
    r"so|ne|pon|wto|śro|czw|pią|sob|nie)[a-zа-яäöüéáíś]{0,10}|в)[\s.,:]|\d{1,4}[./年-]|\d{1,2}\s|\d{1,2}:\d\d|於|在|"
    r"于)", re.I)

SENT_FROM_STARTS = (
    "sent ", "send ", "von ", "mit ", "gesendet", "diese nachricht", "envoyé", "enviad", "inviato", "verzonden",
    "verstuurd",
    "sendt", "skickat", "wysłan", "odesláno", "odoslané", "отправлено", "lähetetty", "iphone", "my ", "从我的",
    "发自我的",
    "從我的", "나의", "trimis", "get outlook", "outlook für", "obtenir outlook", "télécharger outlook", "ipad",
    "xperia",
    "galaxy", "android",
)
SENT_FROM = re.compile(
    r"^\W{0,4}(?:(?:sent|send) (?:from|via|by|with) (?:my |a |the |our )?[\w .'’()&/®™+-]{2,60}|"
    r"sent using [\w .]{2,40}|"
    r"von (?:meinem|meiner|unterwegs|mein) [\w .'’-]{2,40}gesendet|gesendet (?:von|mit|aus|über) [\w .'’-]{2,60}|"
    r"(?:von|"
    r"mit)"
    r" (?:meinem|meiner) [\w .'’-]{2,50}|diese nachricht wurde von mein|envoyé (?:de|depuis|à partir de|avec|via) "
    r"[\w .,'’-]{2,60}|enviado (?:desde|de|do|a partir d[oe]|via|con) [\w .'’-]{2,60}|enviada do [\w .'’-]{2,60}|"
    r"inviato (?:da|dal|con) [\w .'’-]{2,60}|verzonden (?:vanaf|vanuit|met|via) [\w .'’-]{2,60}|verstuurd (?:vanaf|"
    r"met|via)"
    r" [\w .'’-]{2,60}|sendt fra [\w .'’-]{2,60}|skickat från [\w .'’-]{2,60}|wysłan[eoy] z [\w .'’-]{2,60}|odesláno z "
    r"[\w .'’-]{2,60}|odoslané z [\w .'’-]{2,60}|отправлено (?:с|из|от) [\w .'’-]{2,60}|lähetetty [\w .'’-]{2,60}|"
    r"iPhoneから送信|(?:my |)[\w ]{0,20}から送信|从我的 ?[\w ]+发送|发自我的 ?[\w ]+|從我的 ?[\w ]+傳送|"
    r"나의 [\w ]+에서 보냄|"
    r"trimis de pe [\w .'’-]{2,60}|get outlook for (?:ios|android|mac)|outlook für (?:ios|android) beziehen|"
    r"obtenir outlook pour [\w ]{2,20}|"
    r"télécharger outlook pour [\w ]{2,20})\W{0,40}(?:<?https?://\S+>?)?\W{0,4}$", re.I)
CLOSING = re.compile(
    r"^\W{0,2}(?:(?:best|kind(?:est)?|warm(?:est)?|with (?:best|kind|warm)|many|my best|best wishes and) (?:regards|"
    r"wishes|"
    r"thanks)|(?:best|all the best|regards|rgds|cheers|cordially|sincerely|yours (?:sincerely|truly|faithfully)|"
    r"sincerely yours|respectfully|many thanks|thanks(?: again| so much| a lot| and regards| in advance)?|thank you"
    r"(?: very much| so much| again| in advance)?|thanks & regards|thx|br|kr|bw)|(?:mit )?(?:den )?(?:freundlichen|"
    r"besten|"
    r"herzlichen|lieben|schönen|vielen) grü(?:ß|ss)en?|(?:freundliche|beste|herzliche|liebe|viele|schöne) grü(?:ß|"
    r"ss)e?n?|"
    r"mit freundlichem gru(?:ß|ss)|(?:lieben? )?gru(?:ß|ss)|grüße|mfg|lg|vg|hochachtungsvoll|(?:bien )?cordialement"
    r"|(?:très |bien )?(?:cordialement|à vous)|bien à (?:vous|toi)|salutations(?: distinguées)?|meilleures salutations|"
    r"sincères salutations|amicalement|merci(?: d['’]avance| beaucoup)?|saludos(?: cordiales)?|un (?:cordial )?saludo|"
    r"atentamente|gracias|cordiali saluti|distinti saluti|(?:un )?(?:cari )?salut[io]|grazie(?: mille)?|"
    r"met (?:vriendelijke|"
    r"hartelijke) groet(?:en)?|(?:vriendelijke |hartelijke )?groet(?:en|jes)?|mvg|atenciosamente|cumprimentos|"
    r"(?:melhores |com os melhores )?cumprimentos|abraços?|obrigad[oa]|(?:med )?(?:vänliga|bästa|vennlig|venlig|"
    r"med) (?:hälsning(?:ar)?|hilsen|venlig hilsen|vennlig hilsen|vänlig hälsning)|(?:venlig|vennlig|kærlig) hilsen|"
    r"mvh|"
    r"hälsningar|hilsen|(?:z )?(?:poważaniem|wyrazami szacunku)|pozdrawiam(?: serdecznie)?|pozdrowienia|s pozdravem|"
    r"s pozdravom|s úctou|děkuji|с уважением|с наилучшими пожеланиями|спасибо|з повагою|ystävällisin terveisin|"
    r"terveisin|"
    r"üdvözlettel|saygılarımla|cu stimă|με εκτίμηση|よろしくお願い(?:いた)?します|敬具|此致|祝好|谢谢|謝謝|감사합니다)"
    r"(?:[\s,]{1,3}(?:and|&|und|et|y|e|en|og|och)[\s,]{1,3}(?:best )?(?:regards|grüße|thanks))?\W{0,3}$", re.I)
NOTICE_WORDS = ("onfiden", "privileged", "ntended", "ertraulich", "iservat", "ertrouwelijk", "ortrolig", "poufn",
                "онфиденц", "environment")
NOTICE = re.compile(
    r"(?:this|the information (?:in|contained)).{0,60}(?:e-?mail|message|transmission|"
    r"communication).{0,120}(?:confidential|"
    r"privileged|intended (?:only|solely|for))|intended recipient|confidentiality notice|"
    r"please consider the environment|"
    r"(?:diese|der inhalt dieser) (?:e-?mail|nachricht).{0,120}vertraulich|ce (?:message|courriel|"
    r"mail).{0,120}confidentiel|"
    r"este (?:mensaje|correo|e-?mail).{0,120}confidencia|esta mensagem.{0,120}confidencia|(?:questo messaggio|"
    r"le informazioni"
    r" contenute).{0,120}(?:riservat|confidenzial)|dit (?:e-?mail)?bericht.{0,120}vertrouwelijk|"
    r"denne e-?mail.{0,80}fortrolig|"
    r"detta (?:e-post|meddelande).{0,80}konfidentiell|ta wiadomość.{0,80}poufn|это (?:сообщение|"
    r"письмо).{0,120}конфиденциальн",
    re.I)
