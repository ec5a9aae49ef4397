//! Circuits on disk: numbers many at a time, and of commitments only what takes long to compute.
//!
//! The leaves of a commitment are more than half of a circuit, and follow from its polynomials in less time than reading
//! them takes; so does the table of roots of unity. Digests are kept: they are most of the work of building a circuit.

use plonky2_field::types::Field64;
use plonky2_maybe_rayon::*;

use super::{IoError, IoResult, Read, Write};
use crate::{
    field::{extension::Extendable, polynomial::PolynomialCoeffs},
    fri::oracle::PolynomialBatch,
    hash::{
        hash_types::RichField,
        merkle_tree::{leaves::Leaves, MerkleTree},
    },
    plonk::{circuit_data::CommonCircuitData, config::GenericConfig},
    util::{log2_strict, transpose},
};

/// Bytes that are moved at once: a part of the first cache.
const BYTES: usize = 4096;
/// Numbers for which room is taken before they are read. What a length that no file has room for claims beyond that is not
/// believed before there is something to fill it.
const BELIEVED: usize = 1 << 24;

/// `length` numbers of eight bytes, the lowest first.
pub(super) fn read_numbers<R: Read + ?Sized, T>(
    from: &mut R,
    length: usize,
    number: impl Fn(u64) -> T,
) -> IoResult<Vec<T>> {
    let mut bytes = [0; BYTES];
    let mut numbers = Vec::with_capacity(length.min(BELIEVED));
    while numbers.len() < length {
        let part = &mut bytes[..BYTES.min(8 * (length - numbers.len()))];
        from.read_exact(part)?;
        numbers.extend(part.as_chunks().0.iter().map(|bytes| number(u64::from_le_bytes(*bytes))));
    }
    Ok(numbers)
}

/// The numbers, eight bytes each.
pub(super) fn write_numbers<W: Write + ?Sized>(
    to: &mut W,
    numbers: impl Iterator<Item = u64>,
) -> IoResult<()> {
    let mut bytes = Vec::with_capacity(BYTES);
    for number in numbers {
        bytes.extend(number.to_le_bytes());
        if bytes.len() == BYTES {
            to.write_all(&bytes)?;
            bytes.clear();
        }
    }
    to.write_all(&bytes)
}

/// Field elements, below the order or not.
pub(super) fn read_field_vec<R: Read + ?Sized, F: Field64>(from: &mut R, length: usize) -> IoResult<Vec<F>> {
    read_numbers(from, length, F::from_noncanonical_u64)
}

/// A commitment without its leaves; one with blinding cannot be written, since they hold what is random.
pub(super) fn write_batch<W, F, C, const D: usize>(to: &mut W, batch: &PolynomialBatch<F, C, D>) -> IoResult<()>
where
    W: Write + ?Sized,
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    if batch.blinding {
        return Err(IoError);
    }
    to.write_usize(batch.polynomials.len())?;
    for polynomial in &batch.polynomials {
        to.write_usize(polynomial.len())?;
        write_numbers(to, polynomial.coeffs.iter().map(|value| value.to_canonical_u64()))?;
    }
    to.write_usize(batch.rate_bits)?;
    to.write_hash_vec::<F, C::Hasher>(&batch.merkle_tree.digests)?;
    to.write_usize(batch.merkle_tree.cap.height())?;
    to.write_merkle_cap(&batch.merkle_tree.cap)
}

/// A commitment; its leaves are computed when a proof first needs them.
pub(super) fn read_batch<R, F, C, const D: usize>(from: &mut R) -> IoResult<PolynomialBatch<F, C, D>>
where
    R: Read + ?Sized,
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let count = from.read_usize()?;
    let mut polynomials = Vec::new();
    for _ in 0..count {
        let length = from.read_usize()?;
        polynomials.push(PolynomialCoeffs::new(read_field_vec(from, length)?));
    }
    let rate_bits = from.read_usize()?;
    let digests = from.read_usize()?;
    let digests = from.read_hash_vec::<F, C::Hasher>(digests)?;
    let cap_height = from.read_usize()?;
    let cap = from.read_merkle_cap::<F, C::Hasher>(cap_height)?;
    let Some(length) = polynomials.first().map(PolynomialCoeffs::len) else {
        return Ok(PolynomialBatch::default());
    };
    if !length.is_power_of_two() || polynomials.iter().any(|polynomial| polynomial.len() != length) || rate_bits > 8 {
        return Err(IoError);
    }
    Ok(PolynomialBatch {
        polynomials,
        merkle_tree: MerkleTree { leaves: Leaves::default(), digests, cap },
        degree_log: log2_strict(length),
        rate_bits,
        blinding: false,
    })
}

/// The values of the permutation's polynomials, row by row.
pub(super) fn sigmas<F, C, const D: usize>(
    commitment: &PolynomialBatch<F, C, D>,
    common: &CommonCircuitData<F, D>,
) -> Vec<Vec<F>>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let polynomials = commitment.polynomials.get(common.sigmas_range()).unwrap_or_default();
    let columns: Vec<_> = polynomials.par_iter().map(|polynomial| polynomial.clone().fft().values).collect();
    transpose(&columns)
}
