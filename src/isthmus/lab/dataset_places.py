"""Words the lab's business data is made of: countries with their cities, streets, people, company and product names."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COUNTRIES", "PRODUCT_FORMS", "PRODUCT_KINDS", "PRODUCT_MATERIALS", "TRADES", "Country"]


@dataclass(frozen=True, slots=True)
class Country:
    """What companies of one country look like; ``phone`` writes #, in order, where a digit goes."""

    code: str
    code3: str
    number: str
    name: str
    share: int
    dial: str
    phone: str
    currency: str
    domain: str
    cities: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    company: tuple[str, ...]
    stems: tuple[str, ...] = ()
    number_first: bool = False


# Trades appear in Latin company names; the company patterns below say where.
TRADES = (
    "Logistik", "Metall", "Optik", "Textil", "Chemie", "Papier", "Solar", "Elektro", "Bau", "Agrar",
    "Medical", "Marine", "Foods", "Tools", "Robotics", "Packaging", "Lighting", "Plastics", "Ceramics", "Energy",
)  # fmt: skip

_STEMS = (
    "Adler", "Nordwind", "Brück", "Falken", "Gärtner", "Hansa", "Iller", "Jäger", "Köhler", "Lerch", "Müller", "Neckar",
    "Ostsee", "Pfälzer", "Quell", "Rhön", "Schäfer", "Taunus", "Ulmer", "Vogel", "Weißer", "Zöllner", "Brandt", "Eifel",
    "Fischer", "Grün", "Heide", "Kranz", "Lindner", "Möller", "Öhler", "Sauer", "Thüringer", "Winkler", "Zimmer",
)  # fmt: skip

COUNTRIES = (
    Country(
        "DE", "DEU", "276", "Germany", 30, "+49", "30 #######", "EUR", "de",
        (("10115", "Berlin"), ("20095", "Hamburg"), ("80331", "München"), ("50667", "Köln"), ("70173", "Stuttgart"),
         ("04109", "Leipzig"), ("90402", "Nürnberg"), ("28195", "Bremen")),
        ("Hauptstraße", "Bahnhofstraße", "Gartenweg", "Industriestraße", "Am Hafen", "Lindenallee", "Schützenstraße"),
        ("Anna", "Björn", "Claudia", "Dieter", "Eva", "Frank", "Günter", "Heike", "Jörg", "Katrin", "Lukas", "Sabine"),
        ("Schmidt", "Schneider", "Weber", "Wagner", "Becker", "Schulz", "Krüger", "Köhler", "Groß", "Jansen", "Voß"),
        ("{stem} {trade} GmbH", "{stem} & Söhne KG", "{stem} {trade} AG", "{trade}werk {stem} GmbH & Co. KG"), _STEMS,
    ),
    Country(
        "FR", "FRA", "250", "France", 12, "+33", "1 ## ## ## ##", "EUR", "fr",
        (("75002", "Paris"), ("69002", "Lyon"), ("13001", "Marseille"), ("31000", "Toulouse"), ("44000", "Nantes")),
        ("rue de la République", "avenue Victor-Hugo", "boulevard Saint-Michel", "rue du Château", "place de l'Église"),
        ("Amélie", "Benoît", "Chloé", "Étienne", "François", "Hélène", "Jérôme", "Léa", "Noël", "Zoé"),
        ("Lefèvre", "Bernard", "Dubois", "Moreau", "Girard", "Rousseau", "Gauthier", "Lemaître", "Noël"),
        ("{stem} {trade} SARL", "Établissements {stem} SA", "{stem} Frères SAS", "Société {stem} {trade} SAS"),
        ("Beaumont", "Clairval", "Dauphin", "Fontaine", "Garonne", "Loire", "Montclair", "Perrin", "Rivière", "Savoie",
         "Valois", "Bréval", "Chéreau", "Delorme", "Élan"), True,
    ),
    Country(
        "IT", "ITA", "380", "Italy", 8, "+39", "02 #### ####", "EUR", "it",
        (("20121", "Milano"), ("00184", "Roma"), ("10121", "Torino"), ("40121", "Bologna"), ("50122", "Firenze")),
        ("Via Garibaldi", "Corso Italia", "Via Dante", "Piazza Cavour", "Viale della Libertà"),
        ("Alessandro", "Beatrice", "Carlo", "Elena", "Francesca", "Giorgio", "Lucia", "Matteo", "Nicolò"),
        ("Rossi", "Bianchi", "Esposito", "Ricci", "Marino", "Greco", "Conti", "De Luca", "D'Angelo"),
        ("{stem} {trade} S.r.l.", "{stem} S.p.A.", "Fratelli {stem} S.n.c.", "Officine {stem} S.r.l."),
        ("Aurora", "Bellini", "Castello", "Delfino", "Etrusca", "Ferrante", "Galvani", "Liguria", "Montebello",
         "Padana"),
    ),
    Country(
        "CN", "CHN", "156", "China", 18, "+86", "21 #### ####", "CNY", "cn",
        (("200000", "上海"), ("100000", "北京"), ("518000", "深圳"), ("510000", "广州"), ("310000", "杭州"),
         ("610000", "成都")),
        ("南京路", "人民路", "中山路", "解放路", "科技园路", "长江路"),
        ("伟", "芳", "娜", "敏", "静", "强", "磊", "洋", "艳", "勇", "秀英", "建国"),
        ("王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "欧阳"),
        ("{city}{stem}贸易有限公司", "{city}{stem}科技有限公司", "{city}{stem}电子有限公司",
         "{city}{stem}机械制造有限公司",
         "{city}{stem}进出口有限公司"),
        ("华兴", "远东", "长城", "东方", "金龙", "瑞丰", "天宇", "恒通", "宏达", "博远", "新源", "盛世", "明珠", "永泰",
         "海天", "中联", "益佳", "嘉禾"), True,
    ),
    Country(
        "US", "USA", "840", "United States", 12, "+1", "212-555-####", "USD", "com",
        (("10001", "New York"), ("60601", "Chicago"), ("94103", "San Francisco"), ("73301", "Austin"),
         ("02108", "Boston")),
        ("Main Street", "Oak Avenue", "Market Street", "Industrial Parkway", "Lake Drive"),
        ("Ashley", "Brian", "Carol", "Daniel", "Emily", "Greg", "Heather", "Jason", "Kim", "Steve"),
        ("Johnson", "Williams", "O'Brien", "Miller", "Davis", "Garcia", "Martinez", "Anderson", "McDonald"),
        ("{stem} {trade} Inc.", "{stem} & Co. LLC", "{stem} Brothers Corp.", "{stem} {trade} LLC"),
        ("Acorn", "Bluestone", "Cascade", "Dakota", "Evergreen", "Frontier", "Granite", "Hudson", "Ironwood", "Juniper",
         "Keystone", "Lakeside"), True,
    ),
    Country(
        "GB", "GBR", "826", "United Kingdom", 9, "+44", "20 7946 ####", "GBP", "co.uk",
        (("EC1A 1BB", "London"), ("M1 1AE", "Manchester"), ("B1 1BB", "Birmingham"), ("EH1 1YZ", "Edinburgh")),
        ("High Street", "Station Road", "Church Lane", "Victoria Road", "Mill Lane"),
        ("Alice", "Colin", "Fiona", "Harry", "Imogen", "Nigel", "Oliver", "Priya", "Siân"),
        ("Smith", "Jones", "Taylor", "Evans", "Wilson", "Patel", "MacLeod", "Hughes", "Clarke"),
        ("{stem} {trade} Ltd", "{stem} & Sons Ltd", "{stem} {trade} plc", "{stem} Holdings Ltd"),
        ("Ashford", "Bramley", "Cotswold", "Dunmore", "Ellesmere", "Fairfax", "Glenview", "Harrow", "Kestrel",
         "Langdale"),
        True,
    ),
    Country(
        "JP", "JPN", "392", "Japan", 6, "+81", "3 #### ####", "JPY", "co.jp",
        (("100-0001", "東京"), ("530-0001", "大阪"), ("450-0002", "名古屋"), ("810-0001", "福岡")),
        ("中央通り", "桜通り", "駅前通り", "本町", "青葉台"),
        ("翔太", "美咲", "健一", "陽菜", "大輔", "由美"),
        ("佐藤", "鈴木", "高橋", "田中", "渡辺", "伊藤"),
        ("株式会社{stem}", "{stem}商事株式会社", "{stem}工業株式会社", "{stem}電機株式会社"),
        ("山陽", "富士見", "北斗", "旭日", "青山", "日向", "若葉", "松風", "千歳", "瑞穂"),
    ),
    Country(
        "CH", "CHE", "756", "Switzerland", 5, "+41", "44 ### ## ##", "CHF", "ch",
        (("8001", "Zürich"), ("4051", "Basel"), ("1201", "Genève"), ("3011", "Bern")),
        ("Bahnhofstrasse", "Rue du Rhône", "Seestrasse", "Marktgasse"),
        ("Reto", "Urs", "Ursina", "Mélanie", "Beat", "Regula"),
        ("Meier", "Keller", "Brunner", "Favre", "Rochat", "Zürcher"),
        ("{stem} {trade} AG", "{stem} Holding SA", "{stem} {trade} GmbH"),
        ("Albis", "Gotthard", "Jura", "Matter", "Reuss", "Säntis", "Simmen", "Tödi"),
    ),
)  # fmt: skip

PRODUCT_KINDS = (
    ("PMP", "Pump", 90), ("VLV", "Valve", 25), ("BRG", "Bearing", 8), ("SNS", "Sensor", 45), ("MTR", "Motor", 160),
    ("CBL", "Cable", 5), ("FLT", "Filter", 12), ("SWT", "Switch", 9), ("LMP", "Lamp", 30), ("HSE", "Hose", 14),
    ("GSK", "Gasket", 2), ("CPL", "Coupling", 18), ("RLY", "Relay", 22), ("FAN", "Fan", 40), ("GBX", "Gearbox", 240),
)  # fmt: skip
PRODUCT_MATERIALS = ("steel", "brass", "stainless", "PVC", "ceramic", "aluminium", "copper", "PTFE")
PRODUCT_FORMS = ("compact", "heavy duty", "standard", "IP67", "12 V", "24 V", "DN15", "DN25", "DN50", "M8", "M12")
