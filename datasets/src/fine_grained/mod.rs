//! Sets for fine-grained classification, as their owners distribute them.

pub mod aircraft;
pub mod birds;
pub mod cars;
pub mod flowers;
pub mod inaturalist;
pub mod pets;

use palimpsest_core::data::Dataset;

use crate::reader::{DatasetInfo, Opened, Reader};

fn opened(dataset: impl Dataset + 'static) -> Opened {
    Opened { dataset: std::sync::Arc::new(dataset), notes: Vec::new() }
}

pub(crate) static READERS: [Reader; 10] = [
    Reader::pictures(
        DatasetInfo {
            name: "cub",
            summary: "CUB-200-2011: 5,994 + 5,794 pictures of birds, 200 classes",
            layout: "CUB_200_2011/{images.txt,image_class_labels.txt,train_test_split.txt,classes.txt,images/}",
        },
        |spec, split| birds::open_cub(spec.path()?, split, spec.decode()).map(opened),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "nabirds",
            summary: "NABirds: 23,929 + 24,633 pictures of birds, 555 classes",
            layout: "nabirds/{images.txt,image_class_labels.txt,train_test_split.txt,classes.txt,images/}",
        },
        |spec, split| birds::open_nabirds(spec.path()?, split, spec.decode()).map(opened),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "inat2017",
            summary: "iNaturalist 2017: 579,184 + 95,986 pictures, 5,089 classes (its val part is the test part)",
            layout: "train2017.json, val2017.json and the folder that they name, train_val_images/",
        },
        |spec, split| inaturalist::open(spec.path()?, 2017, split, spec.decode()).map(opened),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "inat2018",
            summary: "iNaturalist 2018: 437,513 + 24,426 pictures, 8,142 classes (its val part is the test part)",
            layout: "train2018.json, val2018.json and the folder that they name, train_val2018/",
        },
        |spec, split| inaturalist::open(spec.path()?, 2018, split, spec.decode()).map(opened),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "cars",
            summary: "Stanford Cars: 8,144 + 8,041 pictures, 196 classes",
            layout: "devkit/{cars_meta,cars_train_annos}.mat, cars_test_annos_withlabels.mat (here or in devkit/), cars_train/, cars_test/",
        },
        |spec, split| cars::open(spec.path()?, split, spec.decode()).map(opened),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "aircraft",
            summary: "FGVC-Aircraft 2013b, variants: 6,667 + 3,333 pictures, 100 classes",
            layout: "fgvc-aircraft-2013b/data/{variants.txt,images_variant_{trainval,test}.txt,images/}",
        },
        |spec, split| {
            aircraft::open(spec.path()?, aircraft::Level::Variant, split, spec.decode()).map(opened)
        },
    ),
    Reader::pictures(
        DatasetInfo {
            name: "aircraft-family",
            summary: "FGVC-Aircraft 2013b, families: the same pictures, 70 classes",
            layout: "as aircraft, with families.txt and images_family_*.txt",
        },
        |spec, split| aircraft::open(spec.path()?, aircraft::Level::Family, split, spec.decode()).map(opened),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "aircraft-manufacturer",
            summary: "FGVC-Aircraft 2013b, manufacturers: the same pictures, 30 classes",
            layout: "as aircraft, with manufacturers.txt and images_manufacturer_*.txt",
        },
        |spec, split| {
            aircraft::open(spec.path()?, aircraft::Level::Manufacturer, split, spec.decode()).map(opened)
        },
    ),
    Reader::pictures(
        DatasetInfo {
            name: "flowers",
            summary: "Oxford Flowers-102: 2,040 (train and valid) + 6,149 pictures, 102 classes",
            layout: "imagelabels.mat, setid.mat, jpg/",
        },
        |spec, split| flowers::open(spec.path()?, &spec.classes, split, spec.decode()).map(opened),
    ),
    Reader::pictures(
        DatasetInfo {
            name: "pets",
            summary: "Oxford-IIIT Pets: 3,680 + 3,669 pictures, 37 classes",
            layout: "annotations/{trainval,test}.txt, images/",
        },
        |spec, split| pets::open(spec.path()?, split, spec.decode()).map(opened),
    ),
];
