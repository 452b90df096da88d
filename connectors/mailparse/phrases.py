"""The words by which mail programs mark quotes, forwards and signatures, in the languages they speak.

Data only. Sources: the marks that Gmail, Outlook, Apple Mail, Thunderbird, Yahoo, Lotus Notes and mobile clients
write in each locale, as seen in the reply corpora.
"""

from __future__ import annotations

import re

FROM = frozenset({
    "from", "von", "de", "da", "van", "fra", "från", "od", "от", "від", "寄件者", "发件人", "寄件人", "發件人", "差出人",
    "送信者", "보낸 사람", "lähettäjä", "kimden", "feladó", "expéditeur", "remitente", "mittente", "afzender", "nadawca",
    "odesílatel", "odosielateľ", "отправитель", "от кого", "gönderen", "από", "de la", "remetente", "afsender",
    "avsändare", "avsender", "absender", "reply-from",
})
SENT = frozenset({
    "sent", "date", "gesendet", "datum", "envoyé", "enviado", "enviado el", "enviada em", "enviado em", "inviato",
    "verzonden", "verstuurd", "sendt", "skickat", "dato", "data", "fecha", "wysłano", "wysłane", "odesláno", "odoslané",
    "отправлено", "дата", "надіслано", "送信日時", "日時", "日付", "发送时间", "發送時間", "寄件日期", "日期", "时间",
    "보낸 날짜", "날짜", "lähetetty", "päivämäärä", "päiväys", "gönderildi", "tarih", "küldve", "dátum", "dátum:",
    "message du", "message of", "trimis", "envoyé le", "date d'envoi", "ημερομηνία", "gesendet am", "sent on", "sent at", "datum/zeit",
})
TO = frozenset({
    "to", "an", "à", "a", "para", "per", "aan", "til", "till", "do", "komu", "кому", "宛先", "收件人", "收件者", "받는 사람",
    "vastaanottaja", "kime", "címzett", "destinataire", "destinatario", "destinatário", "pro", "pre", "kopie an",
    "către", "προς", "cc", "kopie", "kopia", "copie", "copia", "kopi", "копия", "抄送", "副本", "참조", "dw", "bcc",
})
SUBJECT = frozenset({
    "subject", "betreff", "objet", "asunto", "oggetto", "onderwerp", "assunto", "emne", "ämne", "temat", "předmět",
    "predmet", "тема", "件名", "主题", "主旨", "主題", "제목", "aihe", "konu", "tárgy", "subiect", "θέμα", "re", "sujet",
})

ORIGINAL = re.compile(
    r"original message|original-nachricht|urspr(?:ü|u)ngliche nachricht|originalnachricht|message (?:d['’]origine|"
    r"original)|mensaje original|messaggio originale|mensagem original|original(?:t)? meddelande|oprindelig (?:meddelelse"
    r"|besked)|opprinnelig melding|oorspronkelijk bericht|wiadomość oryginalna|oryginalna wiadomość|p(?:ů|u)vodn(?:í|i)"
    r" (?:zpráva|e-?mail)|исходное сообщение|пересылаемое сообщение|alkuperäinen viesti|eredeti üzenet|özgün ileti|"
    r"orijinal mesaj|mesaj original|原始邮件|原始郵件|原邮件|元のメッセージ|オリジナルメッセージ|원본 메시지|original appointment|"
    r"reply message|forwarded by|original e-?mail|originalmeldung|ursprünglicher termin|reply above this line", re.I)
FORWARDED = re.compile(
    r"forwarded (?:message|by|mail|email)|begin forwarded|weitergeleitete nachricht|anfang der weitergeleiteten|"
    r"message transféré|message transmis|début du message (?:réexpédié|transféré)|mensaje reenviado|inicio del mensaje "
    r"reenviado|messaggio inoltrato|inizio messaggio inoltrato|inoltrato da|mensagem encaminhada|mensagem reencaminhada|"
    r"início da mensagem (?:encaminhada|reencaminhada)|doorgestuurd bericht|begin doorgestuurd bericht|videresendt "
    r"(?:besked|meddelelse|melding)|start på videresendt|start på vidarebefordrat|begynnelsen på videresendt|"
    r"vidarebefordrat (?:meddelande|brev)|wiadomość przekazana|przekazana wiadomość|początek przekazywanej wiadomości|"
    r"(?:přeposlaná|předaná|preposlaná) (?:zpráva|správa)|začátek přeposlané|пересылаемое сообщение|пересланное "
    r"(?:сообщение|письмо)|перенаправленное сообщение|начало переадресованного|переслане повідомлення|välitetty viesti|"
    r"továbbított üzenet|iletilmiş ileti|転送(?:された)?メッセージ|転送メール|转发(?:的)?邮件|轉寄郵件|转发的消息|轉寄的郵件|"
    r"已转发邮件|전달된 메시지", re.I)
FORWARD_SUBJECT = re.compile(
    r"^\s*(?:(?:re|aw|sv|antw|odp|vs|ynt|r|res|回复|回覆)\s*[:：]\s*){0,3}\[?(?:fwd?|wg|tr|rv|enc|i|inoltra|doorst|"
    r"vs|vl|vb|pd|fs|vid(?:eresendt)?|továbbítás|pd|hl|ilt|转发|轉寄|轉發|転送|전달|пересл|на|перес)\s*[:：]", re.I)

VERB = re.compile(
    r"\b(?:wrote|writes|schrieb|schreibt|geschrieben|écrit|escribió|escribio|ha scritto|scrive|scrisse|schreef|"
    r"heeft geschreven|geschreven|escreveu|skrev|skriver|napisał(?:\(a\))?|napisała|napisal|napsal(?:\(a\))?|napsala|píše|"
    r"napísal(?:\(a\))?|пише[тш]|написал(?:\(а\))?|написала|написав|писал(?:\(а\))?|kirjoitti|írta|yazdı|şunları yazdı|"
    r"a scris|έγραψε|said|sent the following|following message)\b|写道|寫道|写到|님이 작성|のメール|が書きました|は書きました|"
    r"さんからのメッセージ|כתב|كتب", re.I)
ATTRIBUTION_START = re.compile(
    r"^[\s>*_-]*(?:(?:on|le|am|el|il|em|op|den|w dniu|dnia|dne|dňa|pe|pá|ma|at|in a message|in article|il giorno|a|in data|"
    r"quoting|zitat von|no dia|tir|man|ons|tor|fre|lør|søn|ti|ke|to|la|su|vào|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|пн|вт|ср|чт|пт|сб|вс|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|po|út|st|čt|pá|"
    r"so|ne|pon|wto|śro|czw|pią|sob|nie)[a-zа-яäöüéáíś]{0,10}|в)[\s.,:]|\d{1,4}[./年-]|\d{1,2}\s|\d{1,2}:\d\d|於|在|于)", re.I)

SENT_FROM = re.compile(
    r"^\W{0,4}(?:(?:sent|send) (?:from|via|by|with) (?:my |a |the |our )?[\w .'’()&/®™+-]{2,60}|sent using [\w .]{2,40}|"
    r"von (?:meinem|meiner|unterwegs|mein) [\w .-]{2,40}gesendet|gesendet (?:von|mit|aus|über) [\w .-]{2,60}|(?:von|mit)"
    r" (?:meinem|meiner) [\w .-]{2,50}|diese nachricht wurde von mein|envoyé (?:de|depuis|à partir de|avec|via) "
    r"[\w .,'’-]{2,60}|enviado (?:desde|de|do|a partir d[oe]|via|con) [\w .-]{2,60}|enviada do [\w .-]{2,60}|"
    r"inviato (?:da|dal|con) [\w .-]{2,60}|verzonden (?:vanaf|vanuit|met|via) [\w .-]{2,60}|verstuurd (?:vanaf|met|via)"
    r" [\w .-]{2,60}|sendt fra [\w .-]{2,60}|skickat från [\w .-]{2,60}|wysłan[eoy] z [\w .-]{2,60}|odesláno z "
    r"[\w .-]{2,60}|odoslané z [\w .-]{2,60}|отправлено (?:с|из|от) [\w .-]{2,60}|lähetetty [\w .-]{2,60}|"
    r"iPhoneから送信|(?:my |)[\w ]{0,20}から送信|从我的 ?[\w ]+发送|发自我的 ?[\w ]+|從我的 ?[\w ]+傳送|나의 [\w ]+에서 보냄|"
    r"trimis de pe [\w .-]{2,60}|get outlook for (?:ios|android|mac)|outlook für (?:ios|android) beziehen|"
    r"obtenir outlook pour [\w ]{2,20}|télécharger outlook pour [\w ]{2,20})\W{0,40}(?:<?https?://\S+>?)?\W{0,4}$", re.I)
CLOSING = re.compile(
    r"^\W{0,2}(?:(?:best|kind(?:est)?|warm(?:est)?|with (?:best|kind|warm)|many|my best|best wishes and) (?:regards|wishes|"
    r"thanks)|(?:best|all the best|regards|rgds|cheers|cordially|sincerely|yours (?:sincerely|truly|faithfully)|"
    r"sincerely yours|respectfully|many thanks|thanks(?: again| so much| a lot| and regards| in advance)?|thank you"
    r"(?: very much| so much| again| in advance)?|thanks & regards|thx|br|kr|bw)|(?:mit )?(?:den )?(?:freundlichen|besten|"
    r"herzlichen|lieben|schönen|vielen) grü(?:ß|ss)en?|(?:freundliche|beste|herzliche|liebe|viele|schöne) grü(?:ß|ss)e?n?|"
    r"mit freundlichem gru(?:ß|ss)|(?:lieben? )?gru(?:ß|ss)|grüße|mfg|lg|vg|hochachtungsvoll|(?:bien )?cordialement"
    r"|(?:très |bien )?(?:cordialement|à vous)|bien à (?:vous|toi)|salutations(?: distinguées)?|meilleures salutations|"
    r"sincères salutations|amicalement|merci(?: d['’]avance| beaucoup)?|saludos(?: cordiales)?|un (?:cordial )?saludo|"
    r"atentamente|gracias|cordiali saluti|distinti saluti|(?:un )?(?:cari )?salut[io]|grazie(?: mille)?|met (?:vriendelijke|"
    r"hartelijke) groet(?:en)?|(?:vriendelijke |hartelijke )?groet(?:en|jes)?|mvg|atenciosamente|cumprimentos|"
    r"(?:melhores |com os melhores )?cumprimentos|abraços?|obrigad[oa]|(?:med )?(?:vänliga|bästa|vennlig|venlig|"
    r"med) (?:hälsning(?:ar)?|hilsen|venlig hilsen|vennlig hilsen|vänlig hälsning)|(?:venlig|vennlig|kærlig) hilsen|mvh|"
    r"hälsningar|hilsen|(?:z )?(?:poważaniem|wyrazami szacunku)|pozdrawiam(?: serdecznie)?|pozdrowienia|s pozdravem|"
    r"s pozdravom|s úctou|děkuji|с уважением|с наилучшими пожеланиями|спасибо|з повагою|ystävällisin terveisin|terveisin|"
    r"üdvözlettel|saygılarımla|cu stimă|με εκτίμηση|よろしくお願い(?:いた)?します|敬具|此致|祝好|谢谢|謝謝|감사합니다)"
    r"(?:[\s,]{1,3}(?:and|&|und|et|y|e|en|og|och)[\s,]{1,3}(?:best )?(?:regards|grüße|thanks))?\W{0,3}$", re.I)
