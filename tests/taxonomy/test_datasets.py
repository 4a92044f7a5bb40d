"""Data sets in the layout of their releases, small: trees, labels, counts, and what is wrong with the files."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.datasets import cars, cifar100, cub, fgvc_aircraft, in_shop, inaturalist, nabirds, sop
from hyperdml.taxonomy.datasets.cars import make_and_type
from hyperdml.taxonomy.formats.reading import check_file, read_taxonomy

# coarse label of every fine label, as the pickles of CIFAR-100 hold them
CIFAR_COARSE = (
    "4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 "
    "12 14 16 9 11 5 5 19 8 8 15 13 14 17 18 10 16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 "
    "9 19 2 10 0 1 16 12 9 13 15 13 16 19 2 4 6 19 5 5 8 19 18 1 2 15 6 0 17 8 14 13 "
)


def edges(taxonomy):
    return set(taxonomy.to_networkx().edges)


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_cifar100():
    taxonomy = cifar100()
    assert (len(taxonomy), taxonomy.num_leaves, taxonomy.depth, len(taxonomy.roots)) == (120, 100, 1, 20)
    coarse = sorted(taxonomy.names[root] for root in taxonomy.roots)
    found = [coarse.index(taxonomy.names[up]) for up in taxonomy.parent[:100]]
    assert found == [int(label) for label in CIFAR_COARSE.split()]
    assert taxonomy.leaves[-1] == "worm"
    assert len(cifar100(virtual_root=True)) == 121
    assert taxonomy.leaf_closure.counts[100:].tolist() == [5] * 20


IMAGES = [
    ("0000001", "DC-3", "DC-3", "Douglas Aircraft Company"),
    ("0000002", "737-200", "Boeing 737", "Boeing"),
    ("0000003", "737-300", "Boeing 737", "Boeing"),
    ("0000004", "737-200", "Boeing 737", "Boeing"),
    ("0000005", "F/A-18", "F/A-18", "McDonnell Douglas"),
]


@pytest.fixture
def aircraft(tmp_path):
    files = {"variants.txt": "737-200\n737-300\nDC-3\nF/A-18\n", "families.txt": "", "manufacturers.txt": ""}
    for column, rank in enumerate(("variant", "family", "manufacturer"), 1):
        for split, rows in (
            ("train", IMAGES[:2]),
            ("val", IMAGES[2:3]),
            ("trainval", IMAGES[:3]),
            ("test", IMAGES[3:]),
        ):
            files[f"images_{rank}_{split}.txt"] = "".join(f"{row[0]} {row[column]}\n" for row in rows)
    return write(tmp_path / "fgvc-aircraft-2013b" / "data", files)


def test_aircraft(aircraft):
    taxonomy = fgvc_aircraft(aircraft, complete=False)
    assert taxonomy.leaves == ("737-200", "737-300", "DC-3", "F/A-18")
    assert edges(taxonomy) == {
        ("root", "Boeing"),
        ("root", "Douglas Aircraft Company"),
        ("root", "McDonnell Douglas"),
        ("Boeing", "Boeing 737"),
        ("Boeing 737", "737-200"),
        ("Boeing 737", "737-300"),
        ("Douglas Aircraft Company", "family: DC-3"),
        ("family: DC-3", "DC-3"),
        ("McDonnell Douglas", "family: F/A-18"),
        ("family: F/A-18", "F/A-18"),
    }
    assert fgvc_aircraft(aircraft.parents[1], complete=False) == taxonomy
    message = (
        "100 variants, found 4; FGVC-Aircraft has 70 families, found 3; FGVC-Aircraft has 30 manufacturers, found 3"
    )
    with pytest.raises(DataError, match=f"{message}. To .* give complete=False"):
        fgvc_aircraft(aircraft)


def test_a_whole_aircraft_tree_has_201_nodes(tmp_path):
    rows = [(f"{i:07d}", f"v{i % 100:02d}", f"f{i % 100 % 70}", f"m{i % 100 % 70 % 30}") for i in range(300)]
    files = {"variants.txt": "".join(f"v{i:02d}\n" for i in range(100))}
    for column, rank in enumerate(("variant", "family", "manufacturer"), 1):
        files[f"images_{rank}_trainval.txt"] = "".join(f"{row[0]} {row[column]}\n" for row in rows)
    assert len(fgvc_aircraft(write(tmp_path, files))) == 201


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("images_variant_test.txt", "0000004 737-300\n0000005\n", "images_variant_test.txt, line 2: expected 2 cells"),
        ("images_variant_test.txt", "0000002 737-300\n", "line 1: image 0000002 is '737-300', elsewhere '737-200'"),
        ("images_family_test.txt", "0000004 Boeing 737\n", "images without a family: '0000005'; only with one: "),
        ("variants.txt", "737-200\nDC-3\n", "variants of images that are not in variants.txt: '737-300', 'F/A-18'"),
        (
            "images_family_test.txt",
            "0000004 Boeing 7\n0000005 F/A-18\n",
            "variant '737-200' is of families 'Boeing 737' and 'Boeing 7'",
        ),
        (
            "images_manufacturer_test.txt",
            "0000004 B\n0000005 F\n",
            "family 'Boeing 737' is of manufacturers 'Boeing' and 'B'",
        ),
    ],
)
def test_broken_aircraft(aircraft, file, text, message):
    (aircraft / file).write_text(text)
    with pytest.raises(DataError, match=message):
        fgvc_aircraft(aircraft, complete=False)


def test_aircraft_that_lacks_files(aircraft):
    (aircraft / "variants.txt").write_text("737-200\n737-300\nDC-3\nF/A-18\nnew\n")
    notes = [finding.message for finding in check_file(aircraft) if finding.severity == "warning"]
    assert "variants without images are left out: 'new'" in notes
    for path in aircraft.glob("images_family_*"):
        path.unlink()
    with pytest.raises(DataError, match=r"holds no images_family_train.txt or images_family_val.txt"):
        fgvc_aircraft(aircraft)
    (aircraft / "variants.txt").unlink()
    with pytest.raises(DataError, match=r"holds no variants.txt or data/variants.txt"):
        fgvc_aircraft(aircraft)


@pytest.fixture
def birds(tmp_path):
    return write(
        tmp_path / "nabirds",
        {
            "classes.txt": "0 Birds\n1 Ducks, Geese, and Swans\n5 Osprey\n295 Common Eider (Female/juvenile)\n"
            "300 Osprey\n7 Common Eider\n1010 Common Eider (Adult male)\n",
            "hierarchy.txt": "1 0\n5 0\n7 1\n1010 7\n295 7\n300 5\n",
            "image_class_labels.txt": "0000139e-21dc-4d0c 300\n0000d9fc-4e02 1010\n00019306 295\n",
        },
    )


def test_nabirds(birds):
    taxonomy = nabirds(birds, complete=False)
    assert taxonomy.leaves == ("Common Eider (Female/juvenile)", "Osprey", "Common Eider (Adult male)")
    assert ("Osprey (5)", "Osprey") in edges(taxonomy)
    assert ("Birds", "Ducks, Geese, and Swans") in edges(taxonomy)
    by_id = nabirds(birds, complete=False, names="ids")
    assert by_id.leaves == ("295", "300", "1010")
    assert by_id.match(["300", "295"]).tolist() == [1, 0], "ids of the label file to labels"
    assert read_taxonomy(birds, names="ids") == by_id
    assert read_taxonomy(birds.parent) == taxonomy
    with pytest.raises(DataError, match="NABirds has 1011 nodes, found 7; NABirds has 555 leaves, found 3"):
        nabirds(birds)
    with pytest.raises(ValueError, match="names must be 'names' or 'ids', got 'both'"):
        nabirds(birds, names="both")


def test_a_whole_nabirds(tmp_path):
    # 455 groups below the root, each with one species, a hundred of them with a second one
    pairs = (
        [(g, 0) for g in range(1, 456)] + [(455 + g, g) for g in range(1, 456)] + [(910 + g, g) for g in range(1, 101)]
    )
    files = {
        "classes.txt": "".join(f"{node} bird {node}\n" for node in range(1011)),
        "hierarchy.txt": "".join(f"{child} {parent}\n" for child, parent in pairs),
        "image_class_labels.txt": "".join(f"x {node}\n" for node in range(456, 1011)),
    }
    assert repr(nabirds(write(tmp_path, files))).startswith("Taxonomy(1011 nodes, 555 leaves, tree, depth 2")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("hierarchy.txt", "1 0\n5\n", "hierarchy.txt, line 2: expected 2 cells, got '5'"),
        ("hierarchy.txt", "1 0\n5 x\n", "hierarchy.txt, line 2: 'x' is not an id"),
        (
            "hierarchy.txt",
            "1 0\n5 0\n7 1\n1010 7\n295 7\n300 5\n301 5\n",
            r"hierarchy\.txt, line 7: '301' is not a node of this file",
        ),
        ("classes.txt", "0 Birds\n0 Birds\n", r"classes\.txt, line 2: id '0' is given twice"),
        (
            "image_class_labels.txt",
            "x 300\ny 7\nz 2000\n",
            "labels in image_class_labels.txt that are no leaves: 7, 2000",
        ),
    ],
)
def test_broken_nabirds(birds, file, text, message):
    (birds / file).write_text(text)
    with pytest.raises(DataError, match=message):
        nabirds(birds, complete=False)


def test_a_class_that_no_node_can_be_called(birds):
    (birds / "classes.txt").write_text((birds / "classes.txt").read_text().replace("300 Osprey", "300 Os\x01prey"))
    with pytest.raises(DataError, match=r"classes\.txt, line 5: name .* holds a control character"):
        nabirds(birds, complete=False)


def test_leaves_without_images(birds):
    (birds / "image_class_labels.txt").write_text("x 300\n")
    assert "2 leaves have no images: 295, 1010" in [finding.message for finding in check_file(birds)]


def test_cub(tmp_path):
    folder = write(
        tmp_path, {"classes.txt": "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n3 003.Chuck_will_Widow\n"}
    )
    table = tmp_path / "table.csv"
    table.write_text(
        "order,family,class\nNightjars,Caprimulgidae,Chuck will widow\nTubenoses,Albatrosses,002.Laysan_Albatross\n"
        "Tubenoses,Albatrosses,1\n"
    )
    taxonomy = cub(folder, table, complete=False)
    assert taxonomy.leaves == ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Chuck_will_Widow")
    assert ("Albatrosses", "001.Black_footed_Albatross") in edges(taxonomy)
    assert [taxonomy.names[root] for root in taxonomy.roots] == ["Tubenoses", "Nightjars"]
    with pytest.raises(DataError, match=r"table.csv: CUB-200-2011 has 200 classes, found 3"):
        cub(folder, table)
    for text, message in (
        (
            "order,class\nA,Laysan Albatros\n",
            "table.csv: 2 problems:\n- line 2: 'Laysan Albatros' is no class of classes",
        ),
        ("order,class\nA,1\nB,001.Black footed albatross\n", "line 3: a second row for '001.Black_footed_Albatross'"),
        ("order,class\nA,1\nB\n", "line 3: 1 cells, but the header has 2"),
        ("order,class\nA,1\n", "2 classes have no row: '002.Laysan_Albatross', '003.Chuck_will_Widow'"),
        ("order,family,class\nA,F,1\nB,F,2\nB,F,3\n", "1 names stand at several places: 'F'"),
        ("", "3 classes have no row"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            cub(folder, table, complete=False)
    table.write_text("order,family,class\nA,F,1\nB,F,2\nB,F,3\n")
    assert "A > F" in cub(folder, table, complete=False, homonyms="path").names


CARS = [
    ("AM General Hummer SUV 2000", "AM General", "suv"),
    ("Acura TL Type-S 2008", "Acura", "sedan"),
    ("Aston Martin V8 Vantage Convertible 2012", "Aston Martin", "convertible"),
    ("Cadillac Escalade EXT Crew Cab 2007", "Cadillac", "pickup"),
    ("Chevrolet Corvette Ron Fellows Edition Z06 2007", "Chevrolet", "coupe"),
    ("Dodge Caliber Wagon 2012", "Dodge", "wagon"),
    ("Ford E-Series Wagon Van 2012", "Ford", "van"),
    ("Ford Ranger SuperCab 2011", "Ford", "pickup"),
    ("Infiniti G Coupe IPL 2012", "Infiniti", "coupe"),
    ("Land Rover LR2 SUV 2012", "Land Rover", "suv"),
    ("Ram C/V Cargo Van Minivan 2012", "Ram", "minivan"),
    ("Rolls-Royce Phantom Drophead Coupe Convertible 2012", "Rolls-Royce", "convertible"),
    ("Volkswagen Golf Hatchback 1991", "Volkswagen", "hatchback"),
]


@pytest.mark.parametrize(("name", "make", "body"), CARS)
def test_names_of_cars(name, make, body):
    assert make_and_type(name) == (make, body)


def test_cars(tmp_path):
    names = np.array([name for name, _, _ in CARS], dtype=object)[None]
    (tmp_path / "devkit").mkdir()
    savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": names})
    taxonomy = cars(tmp_path, complete=False)
    assert taxonomy.leaves == tuple(name for name, _, _ in CARS)
    assert edges(taxonomy) == {(body, name) for name, _, body in CARS}
    assert edges(cars(tmp_path, "make", complete=False)) == {(make, name) for name, make, _ in CARS}
    both = cars(tmp_path, "both", complete=False, virtual_root="car")
    assert not both.is_forest
    assert {("car", "van"), ("van", CARS[6][0]), ("Ford", CARS[6][0])} < edges(both)
    assert read_taxonomy(tmp_path) == taxonomy
    with pytest.raises(DataError, match=r"Stanford Cars has 196 classes, found 13; .* 49 makes, found 12"):
        cars(tmp_path)
    with pytest.raises(ValueError, match="by must be 'type', 'make' or 'both', got 'year'"):
        cars(tmp_path, "year")
    names[0, 0], names[0, 1] = "Acura TL 2012", "Van"
    savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": names})
    with pytest.raises(
        DataError, match=r"class 0: no body type in the name 'Acura TL 2012'\n- class 1: expected a name"
    ):
        cars(tmp_path, complete=False)
    for content in (b"", b"MATLAB 5.0 MAT-file" + bytes(200), b"\x00" * 150):
        (tmp_path / "devkit" / "cars_meta.mat").write_bytes(content)
        with pytest.raises(DataError, match=r"cars_meta.mat: no class_names can be read from this MATLAB file"):
            cars(tmp_path)


SOP_HEADER = "image_id class_id super_class_id path\n"
SOP_TRAIN = (
    SOP_HEADER + "1 1 1 bicycle_final/111085122871_0.JPG\n2 1 1 bicycle_final/1.JPG\n3 2 12 coffee_maker_final/x.JPG\n"
)
SOP_TEST = SOP_HEADER + "4 10 1 bicycle_final/2.JPG\n5 3 12 coffee_maker_final/y.JPG\n"


def test_sop(tmp_path):
    folder = write(tmp_path / "Stanford_Online_Products", {"Ebay_train.txt": SOP_TRAIN, "Ebay_test.txt": SOP_TEST})
    taxonomy = sop(folder, complete=False)
    assert taxonomy.leaves == ("1", "2", "3", "10")
    assert edges(taxonomy) == {("bicycle", "1"), ("bicycle", "10"), ("coffee_maker", "2"), ("coffee_maker", "3")}
    assert sop(tmp_path, complete=False) == read_taxonomy(folder) == taxonomy
    with pytest.raises(DataError, match=r"has 12 super-classes, found 2; .* has 22634 classes, found 4"):
        sop(folder)
    for row, message in (
        ("6 1 12 coffee_maker_final/z.JPG", r"line 2: class 1 is in super-classes 1 and 12 \(Ebay_test.txt\)"),
        ("6 11 1 chair_final/z.JPG", "line 2: super-class 1 is in 'chair', before in 'bicycle'"),
        ("6 11 1", "Ebay_test.txt, line 2: expected 4 cells"),
        ("6 x 1 chair_final/z.JPG", "Ebay_test.txt, line 2: 'x' is not an id"),
    ):
        (folder / "Ebay_test.txt").write_text(f"{SOP_HEADER}{row}\n")
        with pytest.raises(DataError, match=message):
            sop(folder, complete=False)
    (folder / "Ebay_test.txt").unlink()
    with pytest.raises(DataError, match=r"holds no Ebay_test.txt"):
        sop(folder)


def test_in_shop(tmp_path):
    rows = [
        "img/WOMEN/Dresses/id_00000002/02_1_front.jpg   id_00000002 train",
        "img/WOMEN/Dresses/id_00000002/02_2_side.jpg    id_00000002 train",
        "img/MEN/Denim/id_00000080/01_1_front.jpg       id_00000080 query",
        "img/WOMEN/Denim/id_00000001/02_1_front.jpg     id_00000001 gallery",
    ]
    listed = tmp_path / "Eval" / "list_eval_partition.txt"
    listed.parent.mkdir()
    listed.write_text("4\nimage_name  item_id  evaluation_status\n" + "\n".join(rows) + "\n")
    taxonomy = in_shop(tmp_path, complete=False)
    assert taxonomy.leaves == ("id_00000001", "id_00000002", "id_00000080")
    assert edges(taxonomy) == {
        ("WOMEN", "WOMEN/Dresses"),
        ("WOMEN", "WOMEN/Denim"),
        ("MEN", "MEN/Denim"),
        ("WOMEN/Dresses", "id_00000002"),
        ("WOMEN/Denim", "id_00000001"),
        ("MEN/Denim", "id_00000080"),
    }
    assert read_taxonomy(tmp_path) == taxonomy
    with pytest.raises(DataError, match=r"In-Shop has 7982 items, found 3. To read .* complete=False"):
        in_shop(tmp_path)
    listed.write_text("5\nimage_name  item_id  evaluation_status\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"has 5 images \(so its first line says\), found 4"):
        in_shop(tmp_path)
    listed.write_text("1\nimage_name item_id evaluation_status\nimg/WOMEN/x.jpg id_00000002 train\n")
    with pytest.raises(DataError, match="line 3: expected img/GENDER/CATEGORY/ITEM/IMAGE"):
        in_shop(tmp_path, complete=False)


def category(label, *ranks):
    return {
        "id": label,
        **dict(zip(("kingdom", "phylum", "class", "order", "family", "genus", "name"), ranks, strict=True)),
    }


def test_inaturalist(tmp_path):
    path = tmp_path / "val2021.json"
    categories = [
        category(1, "Plantae", "T", "M", "R", "Moraceae ", "Morus", "Morus alba"),
        category(0, "Animalia", "C", "A", "S", "Sulidae", "Morus", "Morus bassanus"),
        category(2, "Animalia", "C", None, "NA", " Sulidae", "", "Sula"),
    ]
    path.write_text(json.dumps({"info": {"year": 2021}, "categories": categories, "annotations": []}))
    taxonomy = inaturalist(path)
    assert taxonomy.leaves == ("Morus bassanus", "Morus alba", "Sula")
    assert {
        ("Moraceae", "Plantae > T > M > R > Moraceae > Morus"),
        ("C", "A"),
        ("Animalia > C > Sulidae", "Sula"),
    } < edges(taxonomy)
    assert read_taxonomy(path) == taxonomy
    path.write_text(json.dumps(categories))
    assert read_taxonomy(path) == taxonomy
    with pytest.raises(DataError, match=r"val2021.json: iNaturalist 2021 has 10000 categories, found 3"):
        inaturalist(path, 2021)
    with pytest.raises(ValueError, match="year must be one of 2017, 2018, 2019, 2021, or None, got 2020"):
        inaturalist(path, 2020)
    path.write_text(json.dumps({"categories": [{"id": 0, "name": "wren", "supercategory": "Aves"}]}))
    assert inaturalist(path) == Taxonomy.from_edges([("Aves", "wren")])
    for wrong, message in (
        ([3], "category 0: expected an object, got 3"),
        ([{"id": "0", "name": "a"}], "category 0: its id must be an integer, got '0'"),
        ([{"id": 0}], "category 0: it has no name"),
        ([{"id": 0, "name": 5}], "category 0: name 5 is of type int"),
        ([{"id": 0, "name": "a"}, {"id": 0, "name": "b"}], "category 1: id 0 is given twice"),
        ([], "it holds no list of categories"),
        ("x", "it holds no list of categories"),
    ):
        path.write_text(json.dumps({"categories": wrong}))
        with pytest.raises(DataError, match=f"val2021.json: .*{message}"):
            inaturalist(path)


def problem_of(path):
    """What is wrong with a data set; any other exception than `DataError` is one of the test."""
    try:
        read_taxonomy(path)
    except DataError as error:
        return str(error)
    return None


BYTES = st.sampled_from(
    [b"", b" ", b"\n", b"\r\n", b"\t", b"\x01", b"\xff", b"/", b"0", b"7", b"a", b"{", b'"', b"null"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_data_sets_are_a_taxonomy_or_a_data_error(aircraft, birds, tmp_path, data):
    shop = write(
        tmp_path / "shop", {"list_eval_partition.txt": "1\nimage_name item_id x\nimg/M/D/id_1/1.jpg id_1 query\n"}
    )
    products = write(tmp_path / "sop", {"Ebay_train.txt": SOP_TRAIN, "Ebay_test.txt": SOP_TEST})
    naturalist = write(tmp_path / "inat", {"c.json": json.dumps([category(0, *"abcdefg"), category(1, *"abcdegg")])})
    folder = data.draw(st.sampled_from([aircraft, birds, shop, products, naturalist]))
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    before = path.read_bytes()
    content = bytearray(before)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(BYTES)
    path.write_bytes(content)
    problem = problem_of(path if path.suffix == ".json" else folder)
    assert problem is None or str(folder) in problem
    path.write_bytes(before)
