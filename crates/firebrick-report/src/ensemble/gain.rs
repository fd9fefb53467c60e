//! How much better an ensemble is than its members.

use firebrick_types::run::ensemble::{EnsembleRecord, MemberFigures};

use crate::interval::{Difference, paired};

/// The mean of the members' accuracies; `None` without members.
pub(crate) fn mean_top1(record: &EnsembleRecord) -> Option<f64> {
    let members = &record.report.members;
    let sum: f64 = members.iter().map(|member| member.top1).sum();
    (!members.is_empty()).then(|| sum / members.len() as f64)
}

/// The best member and its place.
pub(crate) fn best(record: &EnsembleRecord) -> Option<(usize, &MemberFigures)> {
    let place = record.best?;
    Some((place, record.report.members.get(place)?))
}

/// The accuracy of the ensemble less that of a member, on the same images; `None` where nobody counted on which of them
/// only one of the two was right.
pub(crate) fn over(record: &EnsembleRecord, place: usize) -> Option<Difference> {
    let [ensemble, member] = record.costs.get(place)?.alone;
    let possible = ensemble.checked_add(member)? <= record.images && record.images > 0;
    possible.then(|| paired([ensemble as f64, member as f64], record.images as f64))
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::ensemble::MemberCost;

    use super::*;

    #[test]
    fn what_was_not_counted_has_no_interval() {
        let record = |images, alone| EnsembleRecord {
            images,
            costs: vec![MemberCost {
                alone,
                ..MemberCost::default()
            }],
            ..EnsembleRecord::default()
        };
        assert_eq!(
            over(&record(100, [7, 2]), 0).unwrap(),
            paired([7.0, 2.0], 100.0)
        );
        assert_eq!(over(&record(0, [0, 0]), 0), None);
        assert_eq!(over(&record(5, [4, 2]), 0), None);
        assert_eq!(over(&record(5, [usize::MAX, 2]), 0), None);
        assert_eq!(over(&record(5, [0, 0]), 1), None);
        assert_eq!(mean_top1(&EnsembleRecord::default()), None);
    }
}
