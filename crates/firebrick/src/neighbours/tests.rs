//! Neighbours of an image that is among the images, and of images that are not.

use firebrick_core::Recipe;
use firebrick_datasets::Split;

use super::*;
use crate::{Job, TrainedModel};

fn trained(run: &std::path::Path) -> TrainedModel {
    let recipe = Recipe {
        dataset: "glyphs(train=108, test=27)".into(),
        model: "lenet5".parse().unwrap(),
        epochs: 1,
        batch_size: 24,
        ..Recipe::default()
    };
    crate::train(Job::new(recipe, run)).unwrap();
    let device = firebrick_core::device("flex").unwrap();
    TrainedModel::read(run, &device).unwrap()
}

fn of_train(run: &std::path::Path) -> EvalImages {
    EvalImages {
        recipe: crate::run_recipe(run).unwrap(),
        held_out: false,
        split: Some(Split::Train),
        run: Some(run.into()),
        cache: "no-data".into(),
    }
}

#[test]
fn the_nearest_to_an_image_that_is_there_is_itself() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let model = trained(&run);
    let (mut among, notes) = Among::of_split(&of_train(&run), 1, None).unwrap();
    assert_eq!(notes, Vec::<String>::new());
    let images = among.images.clone();
    among.cache = Some(temp.path().into());
    let mut computed = 0;
    let found = Neighbours::find(&model, &among, &mut |_, _| computed += 1).unwrap();
    assert!(computed > 0 && found.len() == images.len() && !found.is_empty());
    let sample = images.get(40).unwrap();
    let near = found.nearest(&sample.image, 3).unwrap();
    assert_eq!(near.len(), 3);
    assert_eq!(
        (near[0].index, near[0].path.as_str()),
        (40, &*images.describe(40))
    );
    assert_eq!(near[0].class, images.classes()[sample.label]);
    assert!(near[0].cosine > 0.999 && near[1].cosine <= near[0].cosine);
    assert!(near[2].cosine <= near[1].cosine);
    let picture = found.picture(&near[0], 16).unwrap();
    assert_eq!((picture.width, picture.height), (16, 16));
    assert!(found.nearest(&sample.image, 0).is_err());
    // The file has the features the next time.
    let again = Neighbours::find(&model, &among, &mut |done, of| assert_eq!(done, of)).unwrap();
    assert_eq!(again.nearest(&sample.image, 3).unwrap(), near);
}

#[test]
fn of_many_images_some_are_taken_and_it_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let run = temp.path().join("run");
    let model = trained(&run);
    let (among, notes) = Among::of_split(&of_train(&run), 1, Some(10)).unwrap();
    assert_eq!(among.images.len(), 10);
    assert!(notes[0].contains("among 10 of the 97 images"), "{notes:?}");
    let found = Neighbours::find(&model, &among, &mut |_, _| {}).unwrap();
    let photo = among.images.get(9).unwrap().image;
    assert_eq!(found.nearest(&photo, 20).unwrap().len(), 10);
}
