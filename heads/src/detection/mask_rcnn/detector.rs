//! Pyramid, proposals, box head and mask head together.

use palimpsest_core::params::{ParamSpecs, Params};
use palimpsest_core::random::Philox;
use palimpsest_core::{Result, Tensor};
use palimpsest_targets::Object;

use super::{
    AnchorChoice, BoxHead, BoxHeadSettings, DetectionWithMask, MASK, MaskHead, MaskHeadSettings,
    ProposalSettings, Region, RoiAlign, RpnHead, RpnOutputs, box_losses, mask_loss, mask_probabilities,
    mask_target, propose, rpn_losses,
};
use crate::detection::anchors::AnchorGenerator;
use crate::detection::matcher::{Match, Matcher};
use crate::detection::sampler::Sampler;
use crate::detection::{BoxXyxy, Detection, PostProcess};
use crate::pyramid::{FeatureMap, SimplePyramid, SimplePyramidSettings};

/// How regions are cut out for the box head.
const BOX_ALIGN: RoiAlign = RoiAlign { size: 7, samples: 2 };
/// How regions are cut out for the mask head, which doubles their resolution.
const MASK_ALIGN: RoiAlign = RoiAlign { size: MASK / 2, samples: 2 };

/// Which anchors find an object: Faster R-CNN's thresholds.
const ANCHORS: Matcher = Matcher { foreground: 0.7, background: 0.3, best_for_each: true };
/// Which regions are of an object.
const REGIONS: Matcher = Matcher { foreground: 0.5, background: 0.5, best_for_each: false };

/// How a Mask R-CNN is built and trained.
#[derive(Debug, Clone)]
pub struct MaskRcnnSettings {
    /// Classes of objects.
    pub classes: usize,
    /// Convolutions of the proposals' head.
    pub rpn_convs: usize,
    /// Convolutions of the box head.
    pub box_convs: usize,
    /// Convolutions of the mask head.
    pub mask_convs: usize,
    /// Width of the box head's hidden layer.
    pub hidden: usize,
    /// Anchors.
    pub anchors: AnchorGenerator,
    /// Anchors of an image that a step trains on.
    pub sampled_anchors: usize,
    /// Regions of an image that a step trains on.
    pub sampled_regions: usize,
    /// Regions of an image that are proposed.
    pub proposals: usize,
}

/// A detector of boxes and masks.
#[derive(Debug, Clone)]
pub struct MaskRcnn {
    pyramid: SimplePyramid,
    rpn: RpnHead,
    boxes: BoxHead,
    masks: MaskHead,
    settings: MaskRcnnSettings,
}

/// Regions that a step trains on, with their targets.
#[derive(Debug, Clone, Default)]
pub struct SampledRegions {
    /// The regions, image by image.
    pub regions: Vec<Region>,
    /// For each, the object's box and class; none for background.
    pub targets: Vec<Option<(BoxXyxy, usize)>>,
    /// Those on objects that have a mask.
    pub masks: Vec<SampledMask>,
}

/// A region that a step trains the mask head on.
#[derive(Debug, Clone)]
pub struct SampledMask {
    /// The region.
    pub region: Region,
    /// The object's class.
    pub class: usize,
    /// `MASK` x `MASK` values: what the mask should be within the region.
    pub target: Vec<f64>,
}

impl MaskRcnn {
    /// Declares all parts.
    ///
    /// # Errors
    /// Strides that can't be reached.
    pub fn new(
        specs: &mut ParamSpecs,
        pyramid: &SimplePyramidSettings<'_>,
        settings: MaskRcnnSettings,
    ) -> Result<Self> {
        let (width, classes) = (pyramid.width, settings.classes);
        let &MaskRcnnSettings { rpn_convs, box_convs, mask_convs, hidden, .. } = &settings;
        let boxes = BoxHeadSettings { width, size: BOX_ALIGN.size, classes, convs: box_convs, hidden };
        let masks = MaskHeadSettings { width, classes, convs: mask_convs };
        Ok(Self {
            pyramid: SimplePyramid::new(specs, pyramid)?,
            rpn: RpnHead::new(specs, width, rpn_convs, settings.anchors.clone()),
            boxes: BoxHead::new(specs, boxes),
            masks: MaskHead::new(specs, masks),
            settings,
        })
    }

    /// The losses by name for the objects of each image of this height and width; `random` draws an image's
    /// samples.
    pub fn losses(
        &self,
        params: &Params,
        grid: &FeatureMap,
        image: [usize; 2],
        objects: &[Vec<Object>],
        random: &mut dyn FnMut(usize) -> Philox,
    ) -> Result<Vec<(&'static str, Tensor)>> {
        let (levels, outputs) = self.look(params, grid)?;
        let mut losses = self.proposal_losses(&outputs, objects, random)?;
        let proposed = self.propose(&outputs, image)?;
        let sampled = self.sample(proposed, objects, random);
        losses.extend(self.region_losses(params, &levels, &sampled)?);
        Ok(losses)
    }

    /// Levels and what is said of their anchors.
    pub fn look(&self, params: &Params, grid: &FeatureMap) -> Result<(Vec<FeatureMap>, RpnOutputs)> {
        let levels = self.pyramid.forward(params, grid)?;
        let outputs = self.rpn.forward(params, &levels)?;
        Ok((levels, outputs))
    }

    /// The losses of the anchors.
    pub fn proposal_losses(
        &self,
        outputs: &RpnOutputs,
        objects: &[Vec<Object>],
        random: &mut dyn FnMut(usize) -> Philox,
    ) -> Result<Vec<(&'static str, Tensor)>> {
        let edges: Vec<Vec<BoxXyxy>> =
            objects.iter().map(|o| o.iter().map(|o| BoxXyxy::of(&o.bounds)).collect()).collect();
        let sampler = Sampler { count: self.settings.sampled_anchors, foreground: 0.5 };
        let losses = rpn_losses(outputs, &edges, &AnchorChoice { matcher: ANCHORS, sampler }, random)?;
        Ok(vec![("objectness", losses.objectness), ("proposals", losses.boxes)])
    }

    /// Regions of each image.
    pub fn propose(&self, outputs: &RpnOutputs, image: [usize; 2]) -> Result<Vec<Vec<BoxXyxy>>> {
        let after = self.settings.proposals;
        propose(outputs, image, &ProposalSettings { before: 2 * after, after, nms: 0.7 })
    }

    /// Which of the proposed regions, and of the true boxes, a step trains on.
    pub fn sample(
        &self,
        proposed: Vec<Vec<BoxXyxy>>,
        objects: &[Vec<Object>],
        random: &mut dyn FnMut(usize) -> Philox,
    ) -> SampledRegions {
        let sampler = Sampler { count: self.settings.sampled_regions, foreground: 0.25 };
        let mut sampled = SampledRegions::default();
        for (image, (mut boxes, objects)) in proposed.into_iter().zip(objects).enumerate() {
            let truths: Vec<BoxXyxy> = objects.iter().map(|o| BoxXyxy::of(&o.bounds)).collect();
            // So that there is something to learn masks of, however bad the proposals are.
            boxes.extend(&truths);
            let matches = REGIONS.match_boxes(&truths, &boxes);
            for at in sampler.sample(&matches, &mut random(image)).concat() {
                let region = Region { image, edges: boxes[at] };
                sampled.regions.push(region);
                sampled.targets.push(match matches[at] {
                    Match::Object(i) => Some((truths[i], objects[i].class as usize)),
                    _ => None,
                });
                if let Match::Object(i) = matches[at]
                    && let Some(mask) = &objects[i].mask
                {
                    let target = mask_target(mask, &boxes[at], MASK);
                    sampled.masks.push(SampledMask { region, class: objects[i].class as usize, target });
                }
            }
        }
        sampled
    }

    /// The losses of regions.
    pub fn region_losses(
        &self,
        params: &Params,
        levels: &[FeatureMap],
        sampled: &SampledRegions,
    ) -> Result<Vec<(&'static str, Tensor)>> {
        let mut losses = vec![];
        if !sampled.regions.is_empty() {
            let cut = BOX_ALIGN.forward(levels, &sampled.regions)?;
            let outputs = self.boxes.forward(params, &cut)?;
            let found = box_losses(&outputs, &sampled.regions, &sampled.targets)?;
            losses.extend([("classes", found.classes), ("boxes", found.boxes)]);
        }
        if !sampled.masks.is_empty() {
            let regions: Vec<Region> = sampled.masks.iter().map(|mask| mask.region).collect();
            let classes: Vec<usize> = sampled.masks.iter().map(|mask| mask.class).collect();
            let targets = sampled.masks.iter().flat_map(|mask| mask.target.iter().copied()).collect();
            let logits = self.masks.forward(params, &MASK_ALIGN.forward(levels, &regions)?)?;
            losses.push(("masks", mask_loss(&logits, &classes, targets)?));
        }
        Ok(losses)
    }

    /// What is found in each image of this height and width, the best first.
    pub fn predict(
        &self,
        params: &Params,
        grid: &FeatureMap,
        image: [usize; 2],
        post_process: &PostProcess,
    ) -> Result<Vec<Vec<DetectionWithMask>>> {
        let (levels, outputs) = self.look(params, grid)?;
        let proposed = self.propose(&outputs, image)?;
        let images = proposed.len();
        let regions: Vec<Region> = proposed
            .into_iter()
            .enumerate()
            .flat_map(|(image, boxes)| boxes.into_iter().map(move |edges| Region { image, edges }))
            .collect();
        if regions.is_empty() {
            return Ok(vec![vec![]; images]);
        }
        let outputs = self.boxes.forward(params, &BOX_ALIGN.forward(&levels, &regions)?)?;
        let found = outputs.found(&regions, images)?;
        let found: Vec<Vec<Detection>> = found.into_iter().map(|f| post_process.select(f, image)).collect();
        let masked: Vec<Region> = found
            .iter()
            .enumerate()
            .flat_map(|(image, f)| f.iter().map(move |f| Region { image, edges: f.edges }))
            .collect();
        if masked.is_empty() {
            return Ok(vec![vec![]; images]);
        }
        let classes: Vec<usize> = found.iter().flatten().map(|f| f.class).collect();
        let logits = self.masks.forward(params, &MASK_ALIGN.forward(&levels, &masked)?)?;
        let probabilities = mask_probabilities(&logits, &classes)?;
        let mut masks = probabilities.chunks_exact(MASK * MASK);
        let mut with_mask = |found: Detection| DetectionWithMask {
            found,
            mask: masks.next().map(<[f32]>::to_vec).unwrap_or_default(),
        };
        Ok(found.into_iter().map(|f| f.into_iter().map(&mut with_mask).collect()).collect())
    }
}
