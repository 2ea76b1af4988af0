//! Which rank has which tensor, where each is on one rank alone.

use std::cmp::Reverse;

use super::BucketPlan;

/// Whole tensors, shared out among ranks. It depends on the list of sizes and the number of ranks alone, so that every rank
/// knows it without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    /// The rank of each tensor.
    owners: Vec<usize>,
    ranks: usize,
}

/// Tensors of one rank that travel together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedBucket {
    /// The rank that has them.
    pub owner: usize,
    /// The tensors' numbers.
    pub members: Vec<usize>,
}

impl Shards {
    /// The largest tensor first, each to the rank that has least so far. No rank then has more than the mean and the largest
    /// tensor together (Graham 1969).
    pub fn new(sizes: &[usize], ranks: usize) -> Self {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        // Of one size, the first ones first.
        order.sort_by_key(|&index| Reverse(sizes[index]));
        let (mut owners, mut has) = (vec![0; sizes.len()], vec![0; ranks]);
        for index in order {
            let owner = (0..ranks).min_by_key(|&rank| has[rank]).unwrap_or_default();
            owners[index] = owner;
            has[owner] += sizes[index];
        }
        Self { owners, ranks }
    }

    /// The rank that has a tensor.
    pub fn owner(&self, index: usize) -> usize {
        self.owners[index]
    }

    /// Buckets of one rank each, `bytes` at most in each but for a tensor that is larger by itself; in turn of one rank after
    /// another, so that those under way at once come from several.
    pub fn buckets(&self, sizes: &[usize], bytes: usize) -> Vec<OwnedBucket> {
        let mut by_turn = vec![];
        for owner in 0..self.ranks {
            let own = (0..self.owners.len()).filter(|&index| self.owners[index] == owner);
            let plan = BucketPlan::new(sizes, own, bytes);
            let buckets = plan.buckets.into_iter().map(|members| OwnedBucket { owner, members });
            by_turn.extend(buckets.enumerate());
        }
        // Stable: in one turn the ranks stay in order.
        by_turn.sort_by_key(|(turn, _)| *turn);
        by_turn.into_iter().map(|(_, bucket)| bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_go_first_to_who_has_least() {
        // By hand: 9 to 0; 7 to 1; the first 5 to 2, the second to 2's... has 9, 7, 5, so to 2; 4 to 1; 1 to 0.
        let shards = Shards::new(&[5, 9, 1, 7, 5, 4], 3);
        assert_eq!(shards.owners, [2, 0, 0, 1, 2, 1]);
    }

    /// The bound of the formula, for the sizes of a ViT-B's tensors: nothing is far from even.
    #[test]
    fn no_rank_has_more_than_the_mean_and_the_largest() {
        let (d, mut sizes) = (768, vec![768 * 768, 768, 768, 197 * 768]);
        for _ in 0..12 {
            sizes.extend([d, d, 3 * d * d, 3 * d, d * d, d, d, d, 4 * d * d, 4 * d, 4 * d * d, d]);
        }
        let (all, largest) = (sizes.iter().sum::<usize>(), 4 * d * d);
        for ranks in [1, 2, 3, 4, 8, 64, 300] {
            let shards = Shards::new(&sizes, ranks);
            let has = |rank| (0..sizes.len()).filter(|&i| shards.owner(i) == rank).map(|i| sizes[i]).sum();
            let has: Vec<usize> = (0..ranks).map(has).collect();
            assert_eq!(has.iter().sum::<usize>(), all);
            assert!(has.iter().all(|&own| own <= all / ranks + largest), "{ranks}: {has:?}");
        }
    }

    #[test]
    fn a_bucket_is_of_one_rank_and_ranks_take_turns() {
        let sizes = [4, 4, 4, 4, 30, 2];
        let shards = Shards { owners: vec![0, 0, 1, 0, 1, 1], ranks: 3 };
        let bucket = |owner, members: &[usize]| OwnedBucket { owner, members: members.to_vec() };
        assert_eq!(
            shards.buckets(&sizes, 8),
            [bucket(0, &[0, 1]), bucket(1, &[2]), bucket(0, &[3]), bucket(1, &[4]), bucket(1, &[5])]
        );
    }
}
