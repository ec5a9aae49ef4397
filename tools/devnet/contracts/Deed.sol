// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

interface Receiver {
    function onERC721Received(address operator, address from, uint256 id, bytes calldata data)
        external
        returns (bytes4);
}

/// A non-fungible token with the calls of ERC-721 that move things. The name takes two slots, since it is long.
contract Deed {
    event Transfer(address indexed from, address indexed to, uint256 indexed id);
    event Approval(address indexed owner, address indexed approved, uint256 indexed id);

    string public name = "Deeds of houses that stand on a chain of a single street";
    mapping(uint256 => address) public ownerOf;
    mapping(address => uint256) public balanceOf;
    mapping(uint256 => address) public getApproved;

    function mint(address to, uint256 id) external {
        require(ownerOf[id] == address(0), "taken");
        ownerOf[id] = to;
        balanceOf[to] += 1;
        emit Transfer(address(0), to, id);
    }

    function burn(uint256 id) external {
        require(ownerOf[id] == msg.sender, "not yours");
        delete ownerOf[id];
        delete getApproved[id];
        balanceOf[msg.sender] -= 1;
        emit Transfer(msg.sender, address(0), id);
    }

    function approve(address to, uint256 id) external {
        require(ownerOf[id] == msg.sender, "not yours");
        getApproved[id] = to;
        emit Approval(msg.sender, to, id);
    }

    function transferFrom(address from, address to, uint256 id) public {
        require(ownerOf[id] == from, "not theirs");
        require(msg.sender == from || msg.sender == getApproved[id], "not allowed");
        delete getApproved[id];
        ownerOf[id] = to;
        balanceOf[from] -= 1;
        balanceOf[to] += 1;
        emit Transfer(from, to, id);
    }

    function safeTransferFrom(address from, address to, uint256 id) external {
        transferFrom(from, to, id);
        if (to.code.length == 0) return;
        bytes4 answer = Receiver(to).onERC721Received(msg.sender, from, id, "");
        require(answer == Receiver.onERC721Received.selector, "refused");
    }
}
