"""Phases in words: series descriptions as scanners and technicians write them, in six languages.

None stands for what the words leave to the image: they name no phase, more than one, or could mean something else.
"""

import pytest

from pnetkit.screening.phase_words import described_phase

ENGLISH = {
    "arterial": [
        "CT ABD ARTERIAL", "ABD ART 2.0", "Abd_Art_1.0_B30f", "ARTERIAL PHASE 1.25MM", "LATE ARTERIAL",
        "Late Art 1.0 I31f 3", "EARLY ARTERIAL", "ART PHASE", "ART2mm", "ABD/PEL ART", "CT AP ARTERIAL",
        "AP ART 3.0", "CTA ABD ARTERIAL 0.625", "PANCREAS ARTERIAL AX", "Pancreatic phase 2mm", "PANC PHASE 1.25",
        "PANCREATIC PH AX", "AX ART THIN", "ART 35S", "HAP 1.25", "AbdArterial 1.0 Br40", "Hepatic arterial phase",
        "C+ ARTERIAL", "W IV CON ARTERIAL", "CT ABD W WO CON ARTERIAL", "TRIPHASIC LIVER ARTERIAL", "ART. 3.0",
        "arterial_phase", "DE_Art 1.5 F_0.5", "PULM & ABD ARTERIAL",
    ],
    "venous": [
        "CT ABD PORTAL VENOUS", "PORTAL VENOUS PHASE", "PV 2mm", "ABD PV 70S", "CT AP PV", "AP VENOUS 5.0",
        "Abd_PV_1.0", "PVP 1.25MM", "VENOUS 5.0 B30f", "Abd/Pel Venous 3.0 Br40", "portal phase", "PORTAL 2.5",
        "PORTOVENOUS", "porto-venous 5mm", "Hepatic Venous", "PV phase AX", "AXIAL PV THIN", "AbdPelPV70s",
        "C+ PORTAL VENOUS", "CT C/A/P PV", "W IV CONTRAST PORTAL VENOUS", "PANCREATIC PROTOCOL VENOUS PHASE",
        "VEN 3.0", "HVP", "THORAX ABD VENOUS", "PORTAL VENOUS W/O ORAL CONTRAST",
    ],
    "delayed": [
        "DELAYED", "ABD DELAYED 5MIN", "late phase", "EXCRETORY PHASE", "EQUILIBRIUM",
        "CT UROGRAPHIC PHASE 10 MIN",
    ],
    "non-contrast": [
        "NON CONTRAST", "ABD NON-CON 5.0", "NONCON 2.5", "UNENHANCED", "W/O CONTRAST",
        "CT ABDOMEN WITHOUT CONTRAST", "NCCT", "PRE-CONTRAST", "ABD WO", "W/O IV CON", "NATIVE 3mm", "VNC 1.5",
    ],
    None: [
        "CT ABD/PEL AP", "CT AP", "AP", "AP 5.0", "CHEST AP W CON", "AP SCOUT", "SCOUT AP/LAT", "INTRAVENOUS",
        "ABD INTRAVENOUS CONTRAST 35S", "WITH INTRAVENOUS CONTRAST", "INTRA-VENOUS", "IV CONTRAST", "ABD 70S",
        "ABD 35 SEC", "PORTABLE CHEST", "PORTA HEPATIS", "QUARTER DOSE", "ARTIFACT REDUCTION", "SMART MAR",
        "PULMONARY VENOUS", "PV MAPPING PULMONARY", "PULM ARTERIAL", "CARDIAC PV", "RENAL ARTERIES",
        "ARTERY RUNOFF", "IVC VEIN 3.0", "CT VENOGRAM", "PANCREATIC PROTOCOL", "PANCREATIC MASS", "PANCREAS 1.0",
        "ART+PV", "ARTERIAL/VENOUS", "ART & VEN", "ARTERIOPORTAL", "ARTERIAL PORTAL", "DUAL PHASE", "BIPHASIC",
        "W AND W/O CONTRAST", "CT ABD W WO", "Abdomen 3.0", "VP SHUNT SERIES", "PP", "A", "V 5.0", "late venous",
        "NEPHROGRAPHIC", "Recon 2: ABD", "5.0 mm STND", "MIN IP", "", "venous access", "VENOUS CONTRAST",
        "PORT CATHETER", "BODY 5.0 CE", "PE PROTOCOL", "VNC ART", "WITHOUT ORAL", "CORTICOMEDULLARY",
    ],
}  # fmt: skip

GERMAN = {
    "arterial": [
        "Abdomen arteriell", "Abd art. 1.0", "spätarteriell 3.0", "frühart.", "Abdomen KM art 2.0",
        "Arterielle Phase", "Spaetarterielle Phase", "Pankreasphase 1,5 mm", "Leber arteriell 5mm B30",
        "Oberbauch Arterienphase",
    ],
    "venous": [
        "Abdomen venös", "Abd portalvenös 3.0", "portalven. 5.0", "Abdomen venoes", "port.-ven. 1.0", "ven. 70s",
        "AbdVen 1.0", "Venöse Phase", "KM i.v. portalvenös", "Thorax/Abdomen VENÖS", "pv 3.0 I30f",
        "Abdomen ven\ufffds", "portovenöse Phase", "Portalphase", "TH/ABD PORTALVENOES",
    ],
    "delayed": [
        "Spätphase", "Abdomen Spaetphase 5min", "Ausscheidungsphase",
    ],
    "non-contrast": [
        "Abdomen nativ", "Native Phase", "NATIV 5.0", "ohne KM", "Abd ohne i.v. KM",
        "Oberbauch ohne Kontrastmittel",
    ],
    None: [
        "i.v. KM", "intravenös", "KM intravenoes", "Abdomen mit KM", "ohne und mit KM", "V. cava", "ven cava",
        "Arterien", "Art. mesenterica", "Venen Bein", "Topogramm a.p.", "Becken AP", "spätvenös art.",
        "Oberbauch Parenchymphase", "art./ven.", "Artefaktreduktion",
    ],
}  # fmt: skip

FRENCH = {
    "arterial": [
        "TAP artériel", "ARTERIEL", "temps artériel 1.25", "Phase artérielle", "ABDO ART 1mm", "tps art tardif",
        "Temps pancréatique", "arterielle precoce",
    ],
    "venous": [
        "temps portal", "TAP PORTAL", "Abdo portal 2mm", "phase veineuse", "Temps veineux portal", "PORTAL +C",
        "TPS PORTAL 1.25",
    ],
    "delayed": [
        "temps tardif", "Phase tardive 5 min", "temps excrétoire", "TARDIF",
    ],
    "non-contrast": [
        "sans injection", "SANS IV", "Abdomen sans PDC", "non injecté", "sans contraste",
    ],
    None: [
        "TAP IV+", "TAP", "intraveineux", "injection intraveineuse", "voie veineuse", "avec injection",
        "sans et avec injection", "artères rénales", "veine cave", "Abdo AP", "ART + PORTAL", "portal tardif",
        "phase parenchymateuse",
    ],
}  # fmt: skip

SPANISH = {
    "arterial": [
        "Fase arterial", "ABDOMEN ARTERIAL", "ART 1.5mm", "TC ABD FASE ARTERIAL TARDIA", "fase pancreática",
    ],
    "venous": [
        "Fase venosa", "FASE PORTAL", "Abdomen venoso 5mm", "PORTAL 3.0", "con contraste fase portal", "ABD VEN",
    ],
    "delayed": [
        "Fase tardía", "FASE EXCRETORA", "tardia 10 min", "Fase de equilibrio",
    ],
    "non-contrast": [
        "sin contraste", "TC SIMPLE", "fase simple", "S/C", "BASAL", "sin CIV",
    ],
    None: [
        "contraste intravenoso", "ENDOVENOSO", "contraste venoso", "Con contraste IV", "sin y con contraste", "AP",
        "arterias renales", "vena cava", "acceso venoso", "C/C", "Abdomen y pelvis",
    ],
}  # fmt: skip

ITALIAN = {
    "arterial": [
        "Fase arteriosa", "ADDOME ARTERIOSA", "ART 2.0", "arteriosa tardiva", "fase pancreatica",
    ],
    "venous": [
        "Fase venosa", "fase portale", "PORTALE 2mm", "venosa portale", "Add. Venosa 3.0",
    ],
    "delayed": [
        "Fase tardiva", "TARDIVA 5 min", "equilibrio", "fase escretoria",
    ],
    "non-contrast": [
        "senza mdc", "Basale", "SMDC", "addome senza contrasto",
    ],
    None: [
        "mdc endovenoso", "con mdc e.v.", "senza e con mdc", "vena porta", "arterie", "via venosa",
        "arteriosa e venosa", "torace AP",
    ],
}  # fmt: skip

DUTCH = {
    "arterial": [
        "Abdomen arterieel", "arteriële fase", "ART 1.0", "laat arterieel", "pancreasfase", "Arterieel 3mm",
    ],
    "venous": [
        "Abdomen veneus", "veneuze fase", "portoveneus", "portaal veneus 5.0", "Portaalfase",
        "abd PORTOVENEUS 3mm",
    ],
    "delayed": [
        "late fase", "uitscheidingsfase",
    ],
    "non-contrast": [
        "Abdomen blanco", "BLANKO 3mm", "zonder contrast",
    ],
    None: [
        "intraveneus", "i.v. contrast", "met contrast", "zonder en met contrast", "vena cava", "Thorax AP",
        "arterien been",
    ],
}  # fmt: skip

PORTUGUESE = {
    "arterial": [
        "Fase arterial", "ABD ARTERIAL", "fase pancreática",
    ],
    "venous": [
        "Fase portal", "fase venosa", "Portal 1.0", "ABD VENOSA",
    ],
    "delayed": [
        "fase tardia", "fase excretora", "Equilíbrio",
    ],
    "non-contrast": [
        "sem contraste", "S/ CONTRASTE", "pré-contraste",
    ],
    None: [
        "contraste venoso", "contraste endovenoso", "C/ contraste", "sem e com contraste", "acesso venoso",
        "abd AP",
    ],
}  # fmt: skip

LANGUAGES = {"English": ENGLISH, "German": GERMAN, "French": FRENCH, "Spanish": SPANISH, "Italian": ITALIAN,
             "Dutch": DUTCH, "Portuguese": PORTUGUESE}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_descriptions_name_the_phase_that_a_radiologist_reads_or_none(language):
    expected = {text: phase for phase, texts in LANGUAGES[language].items() for text in texts}
    got = {text: described_phase(text) for text in expected}
    assert {text: phase for text, phase in got.items() if phase != expected[text]} == {}


def test_there_are_two_hundred_descriptions():
    assert sum(len(texts) for by_phase in LANGUAGES.values() for texts in by_phase.values()) >= 200


@pytest.mark.parametrize("word", ["arterial", "VENÖS", "portal", "Nativ", "tardive"])
def test_case_accents_and_separators_change_nothing(word):
    phase = described_phase(word)
    assert phase is not None
    for text in (word.upper(), word.lower(), f"_{word}_", f"Abd-{word}-1.0", f"({word})", f"{word}5mm", f"AX/{word}"):
        assert described_phase(text) == phase, text
