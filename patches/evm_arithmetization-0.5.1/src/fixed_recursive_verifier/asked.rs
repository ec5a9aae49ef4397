//! Circuits that few users need, each as large as the block circuit: made when somebody asks for them, neither written
//! nor read with the others.

use super::*;

impl<F, C, const D: usize> AllRecursiveCircuits<F, C, D>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F> + 'static,
    C::Hasher: AlgebraicHasher<F>,
{
    /// A layer on top of a block proof, for merging it with those of other chains. The first call builds the circuit.
    pub fn block_wrapper(&self) -> &BlockWrapperCircuitData<F, C, D> {
        self.block_wrapper.get_or_init(|| Self::create_block_wrapper_circuit(&self.block))
    }

    /// The circuit that merges two wrapped block proofs. The first call builds it, and the wrapper.
    pub fn two_to_one_block(&self) -> &TwoToOneBlockCircuitData<F, C, D> {
        self.two_to_one_block.get_or_init(|| Self::create_two_to_one_block_circuit(self.block_wrapper()))
    }
}
