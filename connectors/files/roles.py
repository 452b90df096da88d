"""What a folder or a Gmail label is for, by its name in the languages that mail programs come in. Names are matched
whole, on the last part of the path, never in part: "Sent to lawyer" is an ordinary folder."""

from __future__ import annotations

from typing import Final

from connectors.types import StreamRole

_NAMES: Final = {
    StreamRole.INBOX: "inbox|posteingang|boîte de réception|bandeja de entrada|caixa de entrada|posta in arrivo|"
    "postvak in|inkorgen|indbakke|innboks|saapuneet|skrzynka odbiorcza|входящие|受信トレイ|收件箱",
    StreamRole.SENT: "sent|sent items|sent mail|sent messages|sent-mail|sent_items|_sent_mail|gesendet|"
    "gesendete objekte|gesendete elemente|gesendete nachrichten|envoyés|messages envoyés|éléments envoyés|enviados|"
    "elementos enviados|mensajes enviados|itens enviados|e-mails enviados|posta inviata|inviata|inviati|verzonden|"
    "verzonden items|verzonden berichten|skickat|skickade objekt|sendt|sendte elementer|lähetetyt|wysłane|"
    "elementy wysłane|odeslané|отправленные|送信済み|送信済みアイテム|已发送|已发送邮件|gönderilmiş öğeler",
    StreamRole.DRAFTS: "draft|drafts|unsent messages|entwurf|entwürfe|brouillon|brouillons|borrador|borradores|"
    "rascunho|rascunhos|bozza|bozze|concept|concepten|utkast|kladder|luonnokset|kopie robocze|wersje robocze|"
    "черновик|черновики|下書き|草稿",
    StreamRole.JUNK: "spam|junk|junk e-mail|junk email|junk mail|bulk mail|spamverdacht|unerwünscht|"
    "junk-e-mail|courrier indésirable|indésirables|pourriel|correo no deseado|lixo eletrônico|posta indesiderata|"
    "ongewenste e-mail|skräppost|uønsket|roskaposti|wiadomości-śmieci|спам|迷惑メール|垃圾邮件",
    StreamRole.TRASH: "trash|deleted|deleted items|deleted messages|deleted_items|bin|papierkorb|gelöscht|"
    "gelöschte objekte|gelöschte elemente|corbeille|éléments supprimés|papelera|elementos eliminados|lixeira|"
    "itens excluídos|cestino|posta eliminata|prullenbak|verwijderde items|papperskorgen|borttaget|slettet post|"
    "papirkurv|roskakori|kosz|elementy usunięte|корзина|удаленные|ごみ箱|已删除邮件",
    StreamRole.ARCHIVE: "archive|archives|archiv|archivo|arquivo|archivio|archief|arkiv",
    StreamRole.ALL: "all mail|all mail including spam and trash|all documents|alle nachrichten|alle nachrichten "
    "einschließlich spam und papierkorb",
}
_ROLES: Final = {name: role for role, names in _NAMES.items() for name in names.split("|")}
_OFF: Final = {StreamRole.DRAFTS: "draft", StreamRole.JUNK: "spam", StreamRole.TRASH: "trash"}


def role(name: str) -> StreamRole:
    """The role of a folder by the last part of its name; OTHER for an ordinary one."""
    return _ROLES.get(name.rstrip("/").rpartition("/")[2].strip().lower(), StreamRole.OTHER)


def off_reason(found: StreamRole) -> str:
    """ "draft", "spam" or "trash" for what is never synced by itself, else ""."""
    return _OFF.get(found, "")
