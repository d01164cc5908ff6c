"""The 114 labels of Fitzpatrick-17k as its table spells them, and the 9 and 3 that they are parts of; each sorted."""

NINE = (
    "benign dermal",
    "benign epidermal",
    "benign melanocyte",
    "genodermatoses",
    "inflammatory",
    "malignant cutaneous lymphoma",
    "malignant dermal",
    "malignant epidermal",
    "malignant melanoma",
)
THREE = ("benign", "malignant", "non-neoplastic")

LABELS = tuple(
    """
acanthosis nigricans
acne
acne vulgaris
acquired autoimmune bullous diseaseherpes gestationis
acrodermatitis enteropathica
actinic keratosis
allergic contact dermatitis
aplasia cutis
basal cell carcinoma
basal cell carcinoma morpheiform
becker nevus
behcets disease
calcinosis cutis
cheilitis
congenital nevus
dariers disease
dermatofibroma
dermatomyositis
disseminated actinic porokeratosis
drug eruption
drug induced pigmentary changes
dyshidrotic eczema
eczema
ehlers danlos syndrome
epidermal nevus
epidermolysis bullosa
erythema annulare centrifigum
erythema elevatum diutinum
erythema multiforme
erythema nodosum
factitial dermatitis
fixed eruptions
folliculitis
fordyce spots
granuloma annulare
granuloma pyogenic
hailey hailey disease
halo nevus
hidradenitis
ichthyosis vulgaris
incontinentia pigmenti
juvenile xanthogranuloma
kaposi sarcoma
keloid
keratosis pilaris
langerhans cell histiocytosis
lentigo maligna
lichen amyloidosis
lichen planus
lichen simplex
livedo reticularis
lupus erythematosus
lupus subacute
lyme disease
lymphangioma
malignant melanoma
melanoma
milia
mucinosis
mucous cyst
mycosis fungoides
myiasis
naevus comedonicus
necrobiosis lipoidica
nematode infection
neurodermatitis
neurofibromatosis
neurotic excoriations
neutrophilic dermatoses
nevocytic nevus
nevus sebaceous of jadassohn
papilomatosis confluentes and reticulate
paronychia
pediculosis lids
perioral dermatitis
photodermatoses
pilar cyst
pilomatricoma
pityriasis lichenoides chronica
pityriasis rosea
pityriasis rubra pilaris
porokeratosis actinic
porokeratosis of mibelli
porphyria
port wine stain
prurigo nodularis
psoriasis
pustular psoriasis
pyogenic granuloma
rhinophyma
rosacea
sarcoidosis
scabies
scleroderma
scleromyxedema
seborrheic dermatitis
seborrheic keratosis
solid cystic basal cell carcinoma
squamous cell carcinoma
stasis edema
stevens johnson syndrome
striae
sun damaged skin
superficial spreading melanoma ssm
syringoma
telangiectases
tick bite
tuberous sclerosis
tungiasis
urticaria
urticaria pigmentosa
vitiligo
xanthomas
xeroderma pigmentosum
""".strip().splitlines()
)
