// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// A contract that can end itself.
contract Mayfly {
    uint256 public day = 1;

    constructor() payable {}

    receive() external payable {}

    function end(address payable heir) external {
        selfdestruct(heir);
    }
}

/// Makes contracts, and ends some in the transaction that made them (EIP-6780).
contract Nursery {
    uint256 public born;

    /// CREATE, several times, the value shared.
    function hatch(uint256 count) external payable {
        for (uint256 i = 0; i < count; i++) {
            new Mayfly{value: msg.value / count}();
        }
        born += count;
    }

    /// CREATE2: its address is known before.
    function hatchAt(bytes32 salt) external payable {
        new Mayfly{salt: salt, value: msg.value}();
        born += 1;
    }

    /// CREATE2 and SELFDESTRUCT in favour of the caller: what was at the address leaves the state.
    function flash(bytes32 salt) external payable {
        new Mayfly{salt: salt, value: msg.value}().end(payable(msg.sender));
        born += 1;
    }

    /// The same with itself as the heir: its ether is gone.
    function burn(bytes32 salt) external payable {
        Mayfly fly = new Mayfly{salt: salt, value: msg.value}();
        fly.end(payable(address(fly)));
        born += 1;
    }

    /// Creations that fail: by REVERT, by an invalid opcode, by code that begins with 0xef (EIP-3541), by an address
    /// that is taken. Some take all gas that there is, so each gets its own.
    function miscarry(bytes32 taken) external {
        this.make{gas: 50000}(bytes.concat(bytes3(0x5f5ffd)));
        this.make{gas: 50000}(bytes.concat(bytes1(0xfe)));
        this.make{gas: 50000}(bytes.concat(bytes8(0x60ef5f5360015ff3)));
        this.makeAt{gas: 50000}(taken);
        born += 1;
    }

    function make(bytes memory code) external {
        assembly { pop(create(0, add(code, 32), mload(code))) }
    }

    function makeAt(bytes32 salt) external {
        bytes memory code = type(Mayfly).creationCode;
        assembly { pop(create2(0, add(code, 32), mload(code), salt)) }
    }
}
