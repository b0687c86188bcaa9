"""The built-in rules for workloads: what words in a request's instructions speak for which. Data.

A pattern is RE2 over UTF-8, either case. `\\b` knows ASCII letters only: none stands before or
behind a letter with an accent. Weights: 3 says it by itself, 1 is a hint.
"""

from typing import Final

from proxy.domain.classing import Vote
from proxy.domain.labels import OutputType, Workload
from proxy.domain.patterns import PatternSet

_POLITE = (
    r"\A\W{0,4}(?:(?:please|pls|hi|hey|hello|ok|okay|so|and|now|then|also|can you|"
    r"could you|would you|will you|i need(?: you)?(?: to)?|i want(?: you)? to|"
    r"i'd like(?: you)? to|help me(?: to)?|let's|bitte|kannst du|könnten sie|"
    r"por favor|puedes|s'il te plaît|peux-tu|per favore)\W{1,3}){0,3}"
)


def _first(words: str) -> str:
    """*words* as the first thing that is asked for."""
    return _POLITE + r"(?:" + words + r")"


_CLASSIFICATION = (
    (2.0, r"\bon a scale (?:of|from)\b|\bassign (?:them|it|each|every)\b|"
          r"\bto one of (?:these|the)\b"),
    (3.0, _first(r"classif|categori[sz]e|label (?:each|the|this|these)|tag (?:the|this|each)|"
                 r"rate the|route th|assign a|(?:decide|determine|assess|judge) (?:if|"
                 r"whether)|detect the|score (?:the|this)|sort the")),
    (2.5, r"\bclassif(?:y|ier|ication)|\bcategori[sz]e\b|\bsentiment\b"),
    (2.0, r"\b(?:positive|negative|neutral)\b.{0,20}\b(?:positive|negative|neutral)\b"),
    (2.0, r"\bspam\b|\bphishing\b|\btoxic|\bhate speech\b|\boffensive\b|\bsarcas"),
    (2.0, r"\b(?:one|single) word\b|\breturn only the (?:number|label)|\b(?:only|"
          r"just) the (?:name|label|category|number|letter)|\blabel and nothing else\b|"
          r"\boutput the label\b"),
    (2.0, r"\b(?:yes ?/ ?no|answer yes or no|true or false|ja oder nein|oui ou non|sí o no)\b"),
    (1.5, r"\b(?:categor(?:y|ies)|labels?|intents?|buckets?|queues?|priority|class(?:es)?)\b"),
    (1.5, r"\bwhich (?:of these|category|department|class|genre|label|team|queue)|"
          r"\bwhat (?:genre|category|emotion)"),
    (1.5, r"\b(?:exactly )?one of(?: the following)?:|\boptions:|\bchoose (?:from|one|"
          r"between)|\bpick the best\b|\bgiven the (?:categories|labels)"),
    (1.5, r"\bintent (?:detector|classifier)|\bmoderation\b|\brelevance\b|"
          r"\b(?:binary )?judge\b"),
    (2.5, r"\b(?:klassifizier|kategorie|ordne .{0,40} zu\b|einordnen|clasifica|classe[rz] |"
          r"catégori|classifica|categori[az]|indeli?ng|classifique)"),
    (1.5, r"\b(?:positif|négatif|positivo|negativo|positiv|queja|reclamação|werbung)\b"),
    (1.0, r"->|\bp0\b|\bscale of\b|\bicd\b"),
    (2.5, r"分类|分類|肯定的|否定的|情感"),
    (1.5, r"\b(?:is|are) (?:this|these|the following)\b.{0,60}\bor\b.{0,30}[?:]"),
    (1.5, r"\bwould you say\b|\bsupported, refuted\b|\bmean the same\b|"
          r"\blanguage of the text\b"),
)  # fmt: skip

_EXTRACTION = (
    (2.0, _first(r"identify (?:the|all|any) |given the following (?:data|records|list|set|"
                 r"table)|from the (?:text|passage|paragraph)")),
    (2.0, r"\bcount how many times\b|\breturn the results? as\b|\bpresent the results\b|"
          r"\b(?:output|list|return)\b.{0,30}\bin (?:the |json )?format\b|"
          r"\bthe following information\b|\bnamed entities\b|\brecords? of\b"),
    (3.0, _first(r"extract|pull (?:out )?|parse (?:this|the)|list (?:every|"
                 r"all (?:the )?(?:names|persons|people|dates))|find all|identify all|"
                 r"get me (?:every|all)|collect all|copy the|read the .{0,30}(?:photo|"
                 r"receipt|invoice|contract|text)|quote the|populate|fill in|spot every|"
                 r"turn this .{0,20}into components|give me the (?:action items|fields|"
                 r"line items)")),
    (3.0, r"\bextract(?:s|ed|ion|or)?\b|\bnamed entit|\bstructured (?:fields|records|data)\b|"
          r"\bentity recognition\b"),
    (2.0, r"\b(?:keys?|fields?|columns?)\b.{0,40}\b(?:name|date|total|amount|address|email|"
          r"education|task)"),
    (2.0, r"\binto json\b|\bas json\b|\bjson (?:array|object)\b|\bkey-?value pairs?\b|"
          r"\bmatching the template\b|\bnull if (?:absent|missing)\b"),
    (2.0, r"\bwhat(?:'s| is| are) the (?:\w+ ){0,2}(?:number|due date|total|tracking|amount|"
          r"deadline|order id)"),
    (1.5, r"\b(?:names?|dates?|amounts?|prices?|urls?|e-?mail addresses|phone (?:number|"
          r"extension)s?|skills|entities|quantit(?:y|ies)|line items?|"
          r"action items)\b.{0,40}\b(?:from|in|below|mentioned|of)\b"),
    (1.5, r"\bmentioned (?:in|below)\b|\bverbatim\b|\bone per line\b|"
          r"\bliterally in the text\b|\bfrom (?:this|the|these) (?:invoice|resume|cv|receipt|"
          r"minutes|text|chat log|job ad|email|letter|lines)"),
    (2.5, r"\bextra(?:hier|is |ie |e |er |i |ire |il )|\bextrait\b|\bextrae|\bestrai|"
          r"\bextraia|\blies aus\b|\baus der folgenden|\bhaal\b.{0,60}\buit\b|\bherausles"),
    (2.5, r"抽取|提取|抽出"),
    (1.0, r"\breceipt\b|\binvoice\b|\brechnung\b|\bresume\b|\bcsv\b"),
    (1.5, r"\bwho (?:signed|attended|was present)\b|\bsignature block\b|"
          r"\bconvert .{0,40}\b(?:records|csv|structured)\b"),
)  # fmt: skip

_SUMMARIZATION = (
    (3.5, _first(r"summar|tl;?dr|condense|shorten|recap|abridge|boil|compress|digest|"
                 r"give (?:me )?(?:a |the )?(?:brief|short|quick)? ?(?:summary|overview|gist|"
                 r"highlights|key)|outline the (?:argument|text|article)|provide (?:the|"
                 r"a) (?:gist|summary)")),
    (3.0, r"\bsummar(?:y|ies|i[sz]e[ds]?|i[sz]ing|i[sz]ation)\b|\btl;?dr\b"),
    (2.5, r"\bkey (?:takeaways|points|findings)\b|\bmain (?:points|ideas)\b|\bthe gist\b|"
          r"\bin a nutshell\b|\bcatch me up\b|\bhighlights\b|\bbullet summary\b|"
          r"\bexecutive summar"),
    (2.0, r"\bin (?:at most |no more than |about )?(?:\w+|\d+) (?:sentences?|words|lines|"
          r"bullet points?|bullets)\b|\bmax(?:imum)? \d+ (?:words|lines)\b|\btweet length\b|"
          r"\bone paragraph\b|\bone-line\b|\babout \d+ words\b"),
    (1.5, r"\bshort(?:er)? version\b|\bmake this shorter\b|\bhalf the length\b|\bbriefly\b|"
          r"\bshort minutes\b|\bthis down to\b|\bwhere we stand\b|\bbrief overview\b|"
          r"\bdigest\b"),
    (1.0, r"\bwrite an abstract\b|\bwhat happened in\b|\bplain words\b"),
    (3.0, r"zusammenfass|\bfasse\b.{0,60}\bzusammen\b|kurzfassung|\brésum|\bresum(?:e|en|ir|"
          r"o|a)\b.{0,30}\b(?:el|la|los|este|esta|siguiente|o|os|dos|do)\b|\bresumen\b|"
          r"\bresumo\b|riassum|\briassunto|samenvatting|vat .{0,30} samen"),
    (3.0, r"要約|总结|摘要|概括"),
)  # fmt: skip

_SYNTHESIS = (
    (3.0, _first(r"craft|write (?:me )?(?:a |an )?(?:\w+ ){0,2}(?:story|email|letter|"
                 r"paragraph|poem|essay|article|speech|script|song|review|post|message)|"
                 r"describe a (?:vivid|character|scene)|imagine you are writing|"
                 r"edit the following|proofread|help me (?:write|construct|word)|revise|"
                 r"invent")),
    (1.5, r"\bheadlines?\b|\bopening paragraph\b|\bfictional\b|\bimagery\b|"
          r"\bgrammatical errors\b|\bpropose \d|\bcaptivating\b|\bin the style of\b"),
    (2.0, _first(r"write (?:me )?(?:a|an|the|some|\d+) ")),
    (3.0, _first(r"draft|compose|create a (?:\w+ ){0,2}(?:post|plan|story|email|lesson|meal|"
                 r"campaign|newsletter|poem|presentation|speech)|"
                 r"generate \d+ (?:\w+ )?(?:names|ideas|titles|slogans)|come up with|"
                 r"brainstorm|rewrite|rephrase|paraphrase|translate|pen a|put together|"
                 r"merge the|combine th|synthesi[sz]e|develop a (?:\w+ )?(?:plan|strategy|"
                 r"campaign)|expand th|make a (?:cover|poster|song|poem)|prepare (?:talking|"
                 r"a)|turn these")),
    (2.5, r"\b(?:blog post|press release|cover letter|short story|poem|haiku|song|lyrics|"
          r"tagline|slogan|speech|toast|screenplay|newsletter|product description|"
          r"marketing (?:plan|copy)|linkedin post|job ad for|lesson plan|dialogue between|"
          r"essay|fairy tale|limerick|script for|farewell)s?\b"),
    (2.0, r"\bcopywriter\b|\bghostwriter\b|\bin the tone of\b|\bmore formal\b|"
          r"\bsounds? more\b|\bkeep the tone\b|\bupbeat\b|\btalking points\b|"
          r"\bquiz questions\b|\bmultiple choice questions\b"),
    (1.5, r"\binto (?:a|one) (?:full|coherent|single)? ?(?:article|report|document|"
          r"announcement)|\bliterature review\b|\bresearch report\b|\bposition paper\b|"
          r"\bproject proposal\b|\bfaq page\b"),
    (2.5, r"\btranslat|übersetz|\btradui[st]\b|\btraduce|\btraduz|\bvertaal|翻译|翻訳"),
    (2.5, r"\bschreibe? (?:\w+ )?(?:eine?n?|das|den)\b|\bverfasse|\bentwirf|\bformulier|"
          r"\brédige|écri[st]|\bescrib[ea]\b|\bredacta|\bscrivi\b|\bscrivere\b|\bescreva|"
          r"\belabore|\bschrijf"),
    (1.5, r"\bgedicht|\beinladung|\blettre\b|\bpoema\b|\bcarta\b|\brecensione\b|\bdiscurso\b|"
          r"\brede\b|\bcuento\b"),
    (1.0, r"\b(?:names|ideas|titles) for\b|\b\d+ words\b|\bseo\b|\bnarrative\b"),
    (2.5, r"写一(?:篇|首|封)|書いて"),
)  # fmt: skip

_CODE = (
    (2.5, r"\b(?:write|develop|create|build|implement)\b[^.\n]{0,40}\b(?:function|script|"
          r"program|web ?site|web app|app|api|query|parser|class|cli)\b|\b(?:linked list|"
          r"binary (?:search )?tree|(?:sorted|integer|two) arrays?|data structures?|"
          r"time complexity|space complexity|o\([n1]\)|fibonacci|subsequence|unit tests?)\b"),
    (3.0, r"```|\ATraceback|\bTraceback \(most|\Adiff --git|\n@@ -|\bdef \w+\(|\bfunc \w+\(|"
          r"\bfunction \w+\(|\bpublic (?:class|static)|\A(?:SELECT|INSERT|UPDATE) |"
          r"#include <|\bimport \w+ from\b|=> \{|\bconsole\.log|\bFROM (?:node|python|"
          r"ubuntu):"),
    (2.5, r"\b(?:python|javascript|typescript|java|kotlin|rust|golang|c\+\+|c#|php|ruby|"
          r"swift|bash|powershell|perl|haskell|scala|sql|postgres(?:ql)?|html|css|react|vue|"
          r"django|fastapi|flask|express|node(?:\.js)?|terraform|kubernetes|k8s|"
          r"docker(?:file)?|github actions?|regex|pytest|git)\b"),
    (2.5, _first(r"refactor|debug|implement|fix (?:the|this|my)|port this|unit ?test|"
                 r"optimi[sz]e this|add (?:unit tests|type hints)|review this (?:pull|code|"
                 r"pr|diff)|convert this (?:\w+ )?(?:class|function|script|code)|"
                 r"explain what this code|write (?:a |an )?(?:\w+ ){0,3}(?:function|script|"
                 r"program|class|query|dockerfile|regex|test)")),
    (2.0, r"\b(?:function|method|class|compile[rs]?|stack ?trace|exception|null ?pointer|"
          r"segfault|bug|refactor|unit tests?|pull request|code review|endpoint|api|async|"
          r"await|recursion|thread ?safe|goroutine|algorithm|type hints|docstrings?|linter?|"
          r"flexbox|component|deployment yaml|module|repository|merge)\b"),
    (2.5, r"\bsoftware engineer\b|\bcoding assistant\b|\bcode only\b|\bcomplete code\b|"
          r"\bprogrammer\b|\bIDE\b"),
    (2.0, r"\b\w+(?:Error|Exception)\b|\b(?:rename|declare) the variable\b|\bthis (?:query|"
          r"code|snippet|script)\b|\bline by line\b"),
    (2.0, r"\b(?:skript|programm|funktion|función|fonction|funzione|script|consulta sql|"
          r"query)\b"),
    (2.5, r"函数|代码|関数|コード"),
)  # fmt: skip

_REASONING = (
    (2.5, r"[0-9](?s:.*)[0-9](?s:.*)\b(?:how (?:many|much|long|far|old|fast|likely)|"
          r"what(?:'s| is| was| are| will be) (?:the|his|her|their|its) (?:total|area|"
          r"probability|remainder|value|costs?|price|average|mean|sum|difference|distance|"
          r"speed|volume|perimeter|ratio|percentage|chance|odds|number))\b"),
    (2.5, r"\bis the (?:father|mother|son|daughter|brother|sister|parent|child) of\b|"
          r"\bhow many (?:brothers|sisters|siblings|integers|handshakes)\b|"
          r"\bwhat is the relationship between\b|\b(?:does|do)(?:n't| not) belong\b|"
          r"\bodd one out\b|\btrue, false,? or uncertain\b|\b(?:reasoning|your) steps\b|"
          r"\bexplain your (?:answer|steps)\b|\bwhat could be the reasons?\b|"
          r"\bwhich direction\b"),
    (2.0, r"\bremainder\b|\binequality\b|\bvertices\b|\btriangle\b|\bf\(\w\) ?=|"
          r"\bfind the value\b|\b[xyz] ?[+*=/^] ?[-0-9xyz]|\bworth it\b|\bwhat (?:might|"
          r"would|could) have happened\b|\blogic(?:al)? (?:puzzle|problem)|"
          r"\bstatements?\b.{0,60}\btrue\b"),
    (3.0, _first(r"solve|prove|show that|beweise|résous|calculate|compute|derive|integrate|"
                 r"estimate|think|let [a-z]\(x\)|find all (?:integers|primes|solutions)|"
                 r"work backwards|work out|is it rational|diagnose:|analy[sz]e the trade|"
                 r"evaluate (?:this|the) (?:strategy|argument|plan)|if .{3,80}, (?:what|how|"
                 r"are|is|who)")),
    (3.0, r"\bstep[- ]by[- ]step\b|\bshow (?:the|your) work\b|\b(?:explain|"
          r"walk through) your reasoning\b|\breason(?:ing)? through\b|\bthink (?:carefully|"
          r"it through)\b|\bchain of thought\b|\bjustify\b|\bmathematician\b"),
    (2.5, r"\bhow many\b.{0,120}\b(?:if|are left|in total|must|possible|ways|does)\b|"
          r"\bhow long does it take\b|\bwhat(?:'s| is) the next number\b|\bprobabilit|"
          r"\bexpected value\b|\bderivative\b|\bintegral\b|\bequation\b|\bsquare root\b|"
          r"\bprime(?:s| number)\b|\bproof\b|\bdivisible\b|\blogically\b|\bpremises?\b|"
          r"\bvalid argument\b|\bargument is valid\b"),
    (2.0, r"\ball \w+ are \w+|\bsome \w+ are\b|\btwice as\b|\bcosts? \d.{0,40}\bmore than\b|"
          r"\bkm/h\b|\bper(?:cent)?\b.{0,40}\bprincipal\b|\bpuzzle\b|\briddle\b|"
          r"\bmonty hall\b|\bsudoku\b|\bhypothes[ei]s\b|\broot causes?\b|\bcausal\b|"
          r"\bsecond-order\b"),
    (2.0, r"\btrade-?offs?\b|\bwhich is better and why\b|\blong-term cost\b|\bbetter off\b|"
          r"\bdeciding between\b|\bassumptions\b|\bcheapest (?:sequence|route|path)|"
          r"\bpossible orders\b|\bconclude|\bmost likely\b.{0,60}\bjustify"),
    (1.5, r"\bwhy would\b|\bwhat follows\b|\brecommend one\b|\bwhich is larger\b|"
          r"\bcritically\b|\bplausible\b|\bf\(x\)|x\^|x²|\bdice\b"),
    (2.5, r"\b(?:beweis|begründe|schritt für schritt|rechne|berechne|calcule|calcula|"
          r"razonamiento|raisonnement|étapes|passaggi|justifique|ragionamento|demuestra|"
          r"démontre)"),
    (2.0, r"\bcuánt(?:o|a)s maneras|\bquantos\b.{0,80}\bse\b|\bquanto impiegan|"
          r"\bwie viele\b.{0,60}\bwenn\b|\bcombien\b.{0,60}\bsi\b"),
    (2.5, r"推理|证明|計算|计算"),
)  # fmt: skip

_POLICY_REVIEW = (
    (3.0, r"\bcompl(?:y|ies|iance|iant)\b|\bgdpr\b|\bdsgvo\b|\brgpd\b|\bhipaa\b|\bccpa\b|"
          r"\biso ?27001\b|\bsoc ?2\b|\bnist\b|\bpci\b|\bai act\b|\baml\b|\bfca\b|\blopd|"
          r"\bclt\b|\buwg\b|\bagb\b"),
    (2.5, r"\b(?:violat|breach|infring)\w*|\bconform(?:e|ity|s)?\b|\bnon-?conform|"
          r"\bregulat(?:ory|ion|ions)\b|\bdirective\b|\blawful\b|\bunlawful\b|"
          r"\bunenforceable\b|\blegal check\b|\bzulässig|\bunzulässig|\brechtswidrig"),
    (2.5, r"\b(?:review|check|audit|assess|redline|examine|go through|evaluate|"
          r"score)\b.{0,60}\b(?:contract|clause|nda|agreement|polic(?:y|ies)|procedure|terms|"
          r"guidelines|handbook|questionnaire)\b"),
    (2.0, r"\b(?:code of conduct|community guidelines|acceptable use|privacy policy|"
          r"terms of service|travel policy|anti-?bribery|retention policy|"
          r"change management policy|handbook|works council|data processing agreement|"
          r"cookie banner|indemnity|liability)\b"),
    (2.0, r"\bis it (?:allowed|permitted|legal)\b|\bunder our\b.{0,30}\bpolicy\b|"
          r"\bagainst (?:our|the) .{0,30}polic|\bour .{0,25}polic|\bcite the rule\b|"
          r"\bclause number\b|\bcompliance officer\b|\bviolations?\b|\bobligations\b|"
          r"\bconsent rules\b|\blicen[sc]e compatib"),
    (1.5, r"\b(?:contract|clause|policy|agreement|legal)\b"),
    (2.5, r"\b(?:vertrag|klausel|richtlinie|datenschutz|cláusula|contrato|conforme|règlement|"
          r"informativa|confidencialidad|contratto|droit|irregularidades)"),
    (2.5, r"合同|法规|条款|劳动合同法"),
)  # fmt: skip

_TOOL_USE = (
    (5.0, r"\bfollowing tools\b|\baccess to (?:a browser|tools|the following)|"
          r"\bcall functions\b|\bthought/action|\buse the tools\b|\breact agent\b"),
)  # fmt: skip

_CHAT = (
    (2.5, r"\A\W{0,3}(?:hi|hey|hello|hallo|moin|ciao|hola|bonjour|salut|oi|olá|"
          r"good (?:morning|night|evening)|guten (?:morgen|tag|abend)|thanks|thank you|danke|"
          r"merci|gracias|grazie|lol|cool)\b"),
    (2.0, r"\b(?:how are you|how's it going|are you (?:a )?(?:human|bot|real)|tell me a joke|"
          r"i'm bored|do you (?:like|know|think)|what do you think|i had a (?:rough|bad|"
          r"good)|let's play|can (?:yo)?u help|tudo bem|come stai|was kannst du)\b"),
    (1.5, r"\A\W{0,3}(?:what|who|when|where|why|how|which|is|are|does|do|can|should|was|wo|"
          r"wer|wann|wie|qué|quién|dónde|quel|où|che|chi|wat|ok but|and what|"
          r"hm)\b[^\n]{0,120}\?\s*\z"),
    (1.5, r"\brecommend (?:a|me|some)\b|\brecomiendas\b|\bgood (?:book|movie|restaurant|way)|"
          r"\byes or no\?|\bfriendly\b|\bcompanion\b|\bvirtual assistant\b|"
          r"\bhelpful assistant\b|\bwhat does .{1,30} mean\b|\bdifference between\b|"
          r"\bcapital of\b"),
    (1.5, r"\A\s*你好|\Aこんにちは"),
)  # fmt: skip

_SHAPES = (
    (
        OutputType.JSON,
        r"\b(?:as|into|in|valid|return|output|give me) (?:a |an |only |"
        r"the )?(?:valid )?json\b|\bjson (?:array|object|format|only)\b",
    ),
    (
        OutputType.TABLE,
        r"\b(?:as|into|in) (?:a |an )?(?:markdown |csv |html )?(?:table|spreadsheet)\b|"
        r"\bas csv\b|\bwith the columns\b|\bals tabelle\b|\ben una tabla\b|"
        r"\bsous forme de tableau\b",
    ),
)

_RULES: Final = {
    Workload.CLASSIFICATION: _CLASSIFICATION,
    Workload.EXTRACTION: _EXTRACTION,
    Workload.SUMMARIZATION: _SUMMARIZATION,
    Workload.SYNTHESIS: _SYNTHESIS,
    Workload.CODE: _CODE,
    Workload.REASONING: _REASONING,
    Workload.POLICY_REVIEW: _POLICY_REVIEW,
    Workload.TOOL_USE: _TOOL_USE,
    Workload.CHAT: _CHAT,
}


def _entries() -> list[tuple[str, Vote | OutputType]]:
    votes: list[tuple[str, Vote | OutputType]] = [
        (pattern, Vote(workload, weight))
        for workload, rules in _RULES.items()
        for weight, pattern in rules
    ]
    return votes + [(pattern, shape) for shape, pattern in _SHAPES]


BUILT_IN: Final = PatternSet.of(_entries())
