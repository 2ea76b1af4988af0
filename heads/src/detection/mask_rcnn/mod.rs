//! Mask R-CNN (He et al. 2017) as ViTDet builds it on its pyramid: regions are proposed, cut out of the
//! pyramid, classified, refined and masked.

mod box_head;
mod detection_with_mask;
mod detector;
mod mask_head;
mod mask_target;
mod paste;
mod proposals;
mod roi_align;
mod rpn;

pub use box_head::{BoxHead, BoxHeadSettings, BoxLosses, BoxOutputs, box_losses};
pub use detection_with_mask::{DetectionWithMask, MASK};
pub use detector::{MaskRcnn, MaskRcnnSettings, SampledMask, SampledRegions};
pub use mask_head::{MaskHead, MaskHeadSettings, mask_loss, mask_probabilities};
pub use mask_target::mask_target;
pub use paste::paste_mask;
pub use proposals::{ProposalSettings, propose};
pub use roi_align::{Region, RoiAlign};
pub use rpn::{AnchorChoice, RpnHead, RpnLosses, RpnOutputs, rpn_losses};
